"""The program of the stacks `staging` and `production`: redcube on the process runtime. What differs is in Pulumi.<stack>.yaml."""

from examples.redcube.stack import SERVICES, declare
from sluice.components import program

program(declare, services=set(SERVICES))

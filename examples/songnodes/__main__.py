"""The program of songnodes. What differs by stack is in Pulumi.<stack>.yaml."""

from stack import SERVICES, declare

from sluice.components import program

program(declare, services=set(SERVICES))

"""How a command ends, beside 0, it is done, and 1, it was refused and nothing was touched: what a script has to tell apart."""

# A release failed, and what was live is live and configured again.
REVERTED = 3
# It failed, and a person decides: the plan was printed.
OPEN = 4
# It is done, later than the severity leaves time for; people were told.
LATE = 5
# It is done, and what comes after it is not; what to type is told.
LEFT = 6

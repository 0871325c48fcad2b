"""The keeper: a small program beside the splitter that takes traffic back when nobody else would."""

"""The agreement study on every log at hand."""

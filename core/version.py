"""The version of the app: it stands in every run and report."""

VERSION = "0.2.0"

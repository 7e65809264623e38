"""The version of the app: it stands in every run and every report, and the package takes it from here."""

VERSION = "0.2.0"

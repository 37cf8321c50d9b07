"""The scorer seen from outside: how it is started, kept alive, watched and stopped. Imports no Spark."""

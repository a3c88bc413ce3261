"""The SQL database under the event log, the states and the models: connection, tables, migrations."""

"""What stands between the verbs and the engines: each function here is one that a program could call as well."""

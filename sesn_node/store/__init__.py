"""What a node keeps: the database, the head file and the key files.

SQLAlchemy Core over SQLite or PostgreSQL, one module per table group. A `Transaction` hands out
the tables; nothing outside this package sees SQL. Content is never stored in clear: ciphertexts
stay as they came, and content keys are wrapped by the storage key before they reach this package.
"""

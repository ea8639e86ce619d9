"""What a database needs before it is used: itself, a role, grants, extensions, schemas, functions, tables.

Each step looks first and makes only what is missing; nothing is ever altered or dropped. Two processes that
do the same at the same time both succeed. The steps are plans; `running` opens the connections they run on.
"""

"""Guide 003's code, as printed there with only names and imports changed, and how a line of it is run.

What else differs is said beside it: each is a slip of the guide's that Python or a database would not take.
"""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any

import sqlalchemy as sa

DATABASE = """\
settings:
  services:
    cls: DatabaseService
    settings:
      host: localhost
      port: 5432
      database: my_db
      user: app_user
      password: 123
      root_user: postgres
      root_password: postgres
      init_db: True
      init_tables: True
      pool_size: 4
      extensions:
        - ltree
"""

SELECT = """\
# equivalent to SELECT * FROM table WHERE id == obj_id
item = await my_service.get(obj_id)
# you can specify which columns to return
items = await my_service.m_get([id_1, id_2, id_3], columns=['id', 'name'])
"""

CREATE = """\
# create an object and do not return anything
await my_service.create({'id': 1, 'value': True}, columns=[])
# create multiple objects, discard conflicting ones
data = await my_service.m_create([{'id': 1, 'value': True}, {'id': 2, 'value': True}], on_conflict='do_nothing')
"""

UPDATE = """\
# update a single object
await my_service.update(obj_id, {'value': False}, columns=[])
# update multiple objects
await my_service.m_update([id_1, id_2, id_3], {'value': False}, columns=[])
"""

UPDATE_WHERE = """\
# update only objects with expire time > now
await my_service.m_update([], {'value': False}, conditions={'expires': {'lt': time()}}, columns=[])
"""

DELETE = """\
await my_service.delete(obj_id)
await my_service.m_delete([id_1, id_2], {'value': False})
"""

DELETE_WHERE = """\
# delete only objects with expire time > now and return primary ids of the deleted ones
await my_service.m_delete([], conditions={'expires': {'lt': time()}}, columns=['id'])
"""

LIST = """\
await my_service.list(conditions={'value': {'gt': 42}}, offset=10, limit=10)
"""

LISTED = """\
{
    count: 152
    offset: 10
    page: 2
    pages: 16
    on_page: 10
    data: [
      {'id': 'row_1'},
      {'id': 'row_2'},
      {'id': 'row_3'},
      ...
    ]
}
"""

# With a colon at the end of its first line.
ITER = """\
async for batch in my_service.iter(conditions={'value': {'gt': 42}}, columns=['id', 'value'], offset=0, limit=100):
  ...  # do something with a batch
"""

WHERE = """\
# WHERE
{"col": "v"}  # col = 'v'
{"col": ["v1", "v2"]}  # col IN ('v1', 'v2')
{"col": {"not": "v"}}  # col != 'v'
{"col": {"gt": 1, "lt": 2, "ge": 1, "le": 2}}  # col > 1 AND col < 2 AND col >= 1 AND col <= 2
{"col": {"like": "%sht%"}}  # col LIKE '%sht%'
"""

WHERE_BOTH = """\
{"col1": 42, "col2": True}  # col1 = 42 AND col2 IS TRUE
"""

WHERE_EITHER = """\
await service.m_update(
  id=[],
  data={"active": False},
  conditions=[    # WHERE (col1 > 3 AND col2 = 42) OR col3 IS TRUE
    {"col1": {"gt": 3}, "col2": 42},
    {"col3": True}
  ]
)
"""

SORT = """\
await my_service.list(sort=[{'asc': 'author_name'}, {'desc': 'updated'}])
# you can also use plain column names which is a shortcut to {'asc': <column_name>}
"""

# Its first line is missing there.
SERVICE = """\
from typing import TypedDict
import sqlalchemy as sa

from rowstead.service import SQLService
from rowstead.service import PublicInterface  # required only if your service is public

my_table = sa.Table(
  'my_table', sa.MetaData(),
  sa.Column('id', sa.TEXT, primary_key=True),
  sa.Column('value', sa.INTEGER)
)

class MyType(TypedDict):
  id: str
  value: int

# type hinting primary key and value inside [] is not required but encouraged
class MyService(SQLService[str, MyType], PublicInterface):
  # the table will be registered automatically
  table = my_table
"""

REGISTER = """\
# somewhere in your code

from rowstead.service import SERVICE_CLASS_REGISTRY

SERVICE_CLASS_REGISTRY.register(MyService)
"""

SERVICE_ENTRY = """\
services:
  cls: MyService
"""

BLACKLISTS = """\
class MyCustomerService(SQLService, PublicInterface):
  table = customers
  select_columns_blacklist = {'hash'}   # you can exclude some of the columns from the output
  update_columns_blacklist = {'hash'}  # you can disable updates on certain columns as well
"""

PREPARE = """\
def prepare_insert_data(self, data: dict) -> dict:
  session = self.get_session()
  if session is not None:
    data['user_id'] = session.user_id
  return data
"""

GET_HOOK = '''\
def get_condition_hook(self, sql):
  """Get only rows visible to the current user."""
  session = self.get_session()
  if session is not None:
    sql = sql.where(self.table.c.owner == session.user_id)
  return sql
'''

MIGRATIONS = """\
[
  {
      "id": 0,
      "comments": "my dev comments",
      "commands": [
          "ALTER TABLE my_table ADD COLUMN new_col DEFAULT NULL;",
          "ALTER TABLE my_table DROP COLUMN old_col;",
      ]
  }
]
"""

MIGRATIONS_ENTRY = """\
settings:
  services:
    cls: DatabaseMigrationService
    enabled: True
    settings:
      migrations_file: ./etc/migrations.json
      migrate_on_start: True
"""

FIXTURES = """\
[
  {"id": "cache.clear", "commands": [{"method": "cache.clear"}], "cron": "* * * * *"},
  {"id": "orders.sync", "commands": [{"method": "orders.sync"}], "cron": "* * * * *"}
]
"""

FIXTURES_ENTRY = """\
services:
  cls: FixtureService
  settings:
    root_dir: ./fixtures
"""


async def run(text: str, **names: Any) -> dict[str, Any]:
    """Run a block with these names; the names that it leaves. `_` is what its last line gives, if anything."""
    tree = ast.parse(text)
    last = tree.body[-1]
    if isinstance(last, ast.Expr):
        tree.body[-1] = ast.copy_location(ast.Assign([ast.Name("_", ast.Store())], last.value), last)
    code = compile(
        ast.fix_missing_locations(tree),
        "the guide",
        "exec",
        ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
        dont_inherit=True,
    )
    if inspect.isawaitable(waiting := eval(code, names)):
        await waiting
    return names


def conditions(text: str) -> list[tuple[Any, str]]:
    """Each line of the block that is a condition, and the SQL that the guide says it is."""
    lines = [line.split("  # ", 1) for line in text.splitlines() if line.startswith("{")]
    return [(ast.literal_eval(condition), said) for condition, said in lines]


def numbers(text: str) -> dict[str, int]:
    """The numbers of the result that the guide shows, by their names."""
    return {name: int(value) for name, value in re.findall(r"^ +(\w+): (\d+)$", text, re.MULTILINE)}


def table(name: str, *columns: sa.Column[Any]) -> sa.Table:
    """A table that the guide leaves to its reader."""
    return sa.Table(name, sa.MetaData(), *columns)


def with_key(name: str, *columns: sa.Column[Any]) -> sa.Table:
    """One with a key that the database counts."""
    return table(name, sa.Column("id", sa.Integer, primary_key=True), *columns)

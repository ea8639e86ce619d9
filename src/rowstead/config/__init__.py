"""Settings from a file, the environment and arguments: where the database is, and how it is reached.

    cfg = config("config.yaml")
    cfg.schema.database.build_dsn()

It answers for what is read and what wins. It must not know what anybody does with a setting.
"""

from rowstead.config.loading import Config, config
from rowstead.config.schema import ConfigSchema, DatabaseConfigSchema

__all__ = ["Config", "ConfigSchema", "DatabaseConfigSchema", "config"]

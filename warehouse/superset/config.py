"""Settings of the Superset that start.py runs: everything of it is in one folder, and nothing is sent out."""

import os
from pathlib import Path

_HOME = Path(os.environ["HPD_SUPERSET_HOME"])

SECRET_KEY = (_HOME / "secret.key").read_text("utf-8").strip()
SQLALCHEMY_DATABASE_URI = f"sqlite:///{_HOME / 'superset.db'}"
DATA_DIR = str(_HOME)
UPLOAD_FOLDER = str(_HOME / "uploads") + "/"
ROW_LIMIT = 5000
# nothing is kept of an answer: the next query sees the next release
DATA_CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}

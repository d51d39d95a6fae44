"""From the owner's files to a checked `Dataset`.

DataConfig ── config.py        which files, which columns, what to refuse
Table ─────── tables.py        one file, decoded, every row still numbered as in the file
catalogue.py, interactions.py  what each of the two files must hold
reader.py                      both together: `read_dataset`
"""

from training.data.config import DataConfig, data_config, load_data_config
from training.data.reader import read_dataset

__all__ = ["DataConfig", "data_config", "load_data_config", "read_dataset"]

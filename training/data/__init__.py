"""From the owner's files to a checked `Dataset`.

DataConfig ── config.py        which files, which columns, what to refuse
              config_file.py   the same out of YAML or flags
Table ─────── tables.py        one file, every row still numbered as in the file
              file_kinds.py    files that are something else: compressed, a folder, a web page
              decoded.py       bytes to text
              delimited.py     text to fields: CSV and its kin, read strictly
              texts.py         a column of any type as text
              times.py         a column of any type as an order
              years.py         the year in a text
              moments.py       dates and times of Parquet that polars or Python cannot hold
              shown.py         values and names in messages, shortened
catalogue.py, item_attributes.py, interactions.py
                               what each of the two files must hold
reader.py                      both together: `read_dataset`
"""

from training.data.config import DataConfig
from training.data.config_file import data_config, load_data_config
from training.data.reader import read_dataset

__all__ = ["DataConfig", "data_config", "load_data_config", "read_dataset"]

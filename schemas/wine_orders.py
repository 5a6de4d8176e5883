"""Red wines that were ordered: the measurements of schemas/wine.py, and the number by which their label comes later."""

from dataclasses import replace

from penstock.schemas import wine
from penstock.schemas.contract import Field

CONTRACT = replace(wine.CONTRACT, fields=(Field(name="order_id", type="long"), *wine.CONTRACT.fields))

"""The declarative base and the column types that every table shares: UUID ids, UTC times, JSONB."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

PrimaryKey = Annotated[UUID, mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))]
CreatedAt = Annotated[datetime, mapped_column(server_default=text("now()"))]
Json = dict[str, Any]


class Table(DeclarativeBase):
    """Every mapped class; the tables themselves are made by ``migrations/``, and a test compares the two."""

    type_annotation_map: ClassVar = {
        datetime: DateTime(timezone=True),
        str: Text(),
        UUID: Uuid(),
        Json: JSONB(),
        int: BigInteger(),
    }

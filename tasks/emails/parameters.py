"""What the parameters of emails are made of: the base class, and types for money, moments, time zones and links."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, HttpUrl, PlainSerializer, ValidationError

from tasks.emails.errors import InvalidPayload


class Parameters(BaseModel):
    """The parameters of one kind of email."""

    model_config = ConfigDict(frozen=True, str_strip_whitespace=True)

    @classmethod
    def read(cls, kind: str, payload: Mapping[str, Any], *, strict: bool) -> Self:
        """The parameters in ``payload``; raises ``InvalidPayload`` with every problem.

        ``strict`` refuses fields that the kind does not know: a misspelt one is found by its author at once. A worker is not
        strict, since the process that promised the email may be a newer release.
        """
        try:
            return cls.model_validate(payload, extra="forbid" if strict else "ignore")
        except ValidationError as error:
            problems = [
                f"{'.'.join(str(part) for part in item['loc']) or 'payload'}: {item['msg']}"
                for item in error.errors(include_url=False, include_input=False, include_context=False)
            ]
            raise InvalidPayload(kind, problems) from None


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def known_time_zone(name: str) -> str:
    """The name, if it is one of the IANA's; raises ``ValueError`` otherwise."""
    if name not in _time_zones():
        raise ValueError("not an IANA time zone such as Europe/Berlin")
    return name


def _one_line(text: str) -> str:
    """Names and titles also stand in subjects, where a line break would begin another header."""
    return " ".join(text.split())


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Line = Annotated[str, AfterValidator(_one_line), Field(min_length=1, max_length=500)]
Name = Annotated[str, AfterValidator(_one_line), Field(max_length=500)]
Paragraph = Annotated[str, Field(max_length=5_000)]
Currency = Annotated[str, BeforeValidator(_lower), Field(pattern=r"^[a-z]{3}$")]
Cents = Annotated[int, Field(ge=-(10**15), le=10**15)]
Count = Annotated[int, Field(ge=0, le=10**12)]
Moment = AwareDatetime
TimeZone = Annotated[str, AfterValidator(known_time_zone)]
Link = Annotated[HttpUrl, PlainSerializer(str)]

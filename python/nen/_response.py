"""What a client hands over as the answer of a protected endpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self


def is_success(status: int) -> bool:
    """Tell whether a status is 2xx."""
    return status in range(200, 300)


@dataclass(frozen=True, eq=False, repr=False)
class NenResponse:
    """An answer of a protected endpoint, opened; or, if it is not ``is_sealed``, of something in between."""

    status_code: int
    """The HTTP status. The protocol does not seal it."""
    headers: Mapping[str, str]
    """The headers, by names in any case. The protocol does not seal them."""
    content: bytes
    """The body: of a sealed answer the opened UTF-8 JSON; of any other what came, not decompressed. Empty for HEAD."""
    is_sealed: bool
    """Whether ``content`` is the endpoint's own. If not, something in between has answered (a proxy's 502, a
    redirect), and nothing of it is authentic. An answer to HEAD has no body that could show whose it is."""

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return is_success(self.status_code)

    def json(self) -> Any:  # noqa: ANN401 - JSON is anything
        """Decode the body. Raises ``ValueError`` if it is no JSON, which a sealed one always is."""
        return json.loads(self.content)

    def raise_for_status(self) -> Self:
        """Raise :class:`NenHTTPError` unless the status is 2xx."""
        if not self.is_success:
            raise NenHTTPError(self)
        return self

    def __repr__(self) -> str:
        return f"<NenResponse [{self.status_code}{' sealed' if self.is_sealed else ''}]>"


class NenHTTPError(Exception):
    """An answer that is not 2xx. That is no failure of the protocol, and so no :class:`NenError`.

    Its text tells the status and who answered, and holds nothing of the answer.
    """

    response: NenResponse
    """The answer."""

    def __init__(self, response: NenResponse) -> None:
        super().__init__(response)
        self.response = response

    def __str__(self) -> str:
        sealed = self.response.is_sealed
        who = "the endpoint" if sealed else "something that is not the endpoint, or cannot seal,"
        return f"{who} answered with HTTP status {self.response.status_code}"

"""Telling people of a run that was not published, through Apprise: mail, chat, a webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reinschrift.transforms.errors import ReinschriftError

if TYPE_CHECKING:
    from reinschrift.flows.config import Settings


class NotifyError(ReinschriftError):
    """The address to be told is none that Apprise knows."""


def check_address(settings: Settings) -> None:
    """Raise NotifyError for an address nobody could be told by, before the work begins.

    The address may hold a secret, so it is not shown.
    """
    if settings.notify is None:
        return
    import apprise

    if not apprise.Apprise().add(settings.notify.get_secret_value()):
        raise NotifyError(
            "REINSCHRIFT_NOTIFY: not an address of Apprise",
            "such as mailto://…, slack://…, json://host/path",
        )


def notify_people(settings: Settings, title: str, text: str) -> bool:
    """Tell of what happened; whether that worked. True where nobody is to be told."""
    if settings.notify is None:
        return True
    import apprise

    sender = apprise.Apprise()
    sender.add(settings.notify.get_secret_value())
    return bool(sender.notify(body=text, title=title, body_format=apprise.NotifyFormat.TEXT))

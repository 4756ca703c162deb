"""The review in a browser: a server on loopback alone, with a token in its address."""

from __future__ import annotations

import secrets
import socket
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from reinschrift.flows.reporting.render import read_file, read_style, templates
from reinschrift.flows.review.answers import CHOICES, SKIP, UNDONE, Answers, answer, tell_precision
from reinschrift.flows.review.questions import deal_questions
from reinschrift.flows.store.local import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.requests import Request

    from reinschrift.flows.review.questions import Question
    from reinschrift.flows.store.local import Corpus

HOST = "127.0.0.1"
CHANGES = ("answer", "undo")  # the rest only reads
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


class Review:
    """One session: the questions that are left, and the answers."""

    def __init__(self, corpus: Corpus, folder: Path) -> None:
        self.answers = Answers(corpus)
        self.questions: dict[str, Question] = {
            one.id: one for one in deal_questions(folder, set(self.answers.by_id))
        }
        self.given: list[str] = []

    def state(self) -> dict[str, Any]:
        """The next question, and how it stands."""
        left = [one for one in self.questions if one not in self.answers.by_id]
        precision = [asdict(one) for one in tell_precision(self.answers.by_id.values())]
        question = asdict(self.questions[left[0]]) if left else None
        return {
            "question": question,
            "left": len(left),
            "answered": sum(one.choice != SKIP for one in self.answers.by_id.values()),
            "precision": precision,
            "can_undo": bool(self.given),
        }

    def answer(self, name: str, choice: str) -> bool:
        """Take an answer; False where there is no such question or choice."""
        if name not in self.questions or choice not in CHOICES:
            return False
        self.answers.add(answer(self.questions[name], choice))
        self.given.append(name)
        return True

    def undo(self) -> None:
        """Ask the last question again: its answer becomes none."""
        if self.given:
            self.answers.add(answer(self.questions[self.given.pop()], UNDONE))


def make_app(review: Review, token: str, address: str) -> Starlette:
    """The application. Only who knows the token, at the address we serve, is answered."""
    handlers: dict[str, Callable[[Any], Response]] = {
        "": lambda _: _file(
            "text/html", templates().get_template("review.html.jinja").render(style=read_style())
        ),
        "review.js": lambda _: _file("text/javascript", read_file("review.js")),
        "state": lambda _: JSONResponse(review.state(), headers=HEADERS),
        "answer": lambda given: _take(review, given),
        "undo": lambda _: _undo(review),
    }

    async def endpoint(request: Request) -> Response:
        name = request.path_params["name"]
        known = secrets.compare_digest(request.path_params["token"].encode(), token.encode())
        if not known or request.headers.get("host") != address or name not in handlers:
            return PlainTextResponse("not found", 404, HEADERS)
        if (request.method == "POST") != (name in CHANGES):
            return PlainTextResponse("not this way", 405, HEADERS)
        if name not in CHANGES:
            return handlers[name](None)
        # A form of another page can't send this type, nor learn the token.
        if request.headers.get("content-type") != "application/json":
            return PlainTextResponse("JSON, please", 415, HEADERS)
        try:
            given = await request.json()
        except ValueError:
            return PlainTextResponse("that is no JSON", 400, HEADERS)
        return handlers[name](given)

    return Starlette(routes=[Route("/{token}/{name:path}", endpoint, methods=["GET", "POST"])])


def _file(kind: str, text: str) -> Response:
    return Response(text, media_type=kind, headers=HEADERS)


def _take(review: Review, given: Any) -> Response:
    if not isinstance(given, dict) or not review.answer(str(given.get("id")), str(given.get("choice"))):
        return PlainTextResponse("no such question or choice", 400, HEADERS)
    return JSONResponse(review.state(), headers=HEADERS)


def _undo(review: Review) -> Response:
    review.undo()
    return JSONResponse(review.state(), headers=HEADERS)


def serve_review(corpus: Corpus, port: int, tell: Callable[[str], None]) -> None:
    """Serve until interrupted. Raises OutputError where nothing is published, or the port is taken."""
    corpus.require()
    if not corpus.current.exists():
        raise OutputError(f"{corpus.out}: nothing is published", "run first")
    review = Review(corpus, corpus.current.resolve())
    token = secrets.token_urlsafe(16)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise OutputError(
                f"port {port} can't be used: {error.strerror}", "name another --port"
            ) from error
        listener.listen()  # who opens the address at once has to wait, and is not refused
        address = f"{HOST}:{listener.getsockname()[1]}"
        app = make_app(review, token, address)
        tell(f"review at http://{address}/{token}/ (Ctrl-C ends it; every answer is kept at once)")
        config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
        uvicorn.Server(config).run(sockets=[listener])

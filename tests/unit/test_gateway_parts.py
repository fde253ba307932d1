"""The gateway's pure parts: names, access, keys, streams, requests, conversations and budgets."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ridgeway.gateway import conversation
from ridgeway.gateway.access import Access, WeakToken, is_own_name
from ridgeway.gateway.answer import AnswerStream, NoAnswer, error_event, with_model
from ridgeway.gateway.api_error import ApiError, ForeignSite, Overloaded, StreamInterrupted, WrongKey
from ridgeway.gateway.api_request import AUTO, ROUTED_CHARACTERS, ApiRequest, Endpoint
from ridgeway.gateway.byte_budget import ByteBudget
from ridgeway.gateway.catalogue import Catalogue, distinct, identity, is_private
from ridgeway.gateway.conversation import Conversations
from ridgeway.gateway.expert_keys import BadKeys, ExpertKeys
from ridgeway.router import Expert

SECRET = b"s" * 32


def chat(*said: str, **fields: object) -> ApiRequest:
    """A chat whose turns alternate between user and assistant."""
    messages = [{"role": "assistant" if place % 2 else "user", "content": text} for place, text in enumerate(said)]
    return ApiRequest.parse(Endpoint.CHAT, json.dumps({"model": AUTO, "messages": messages} | fields).encode())


words = st.sampled_from(["model", "messages", "role", "content", "prompt", "input", "type", "text"])
values = st.none() | st.booleans() | st.text(max_size=5) | st.integers(-9, 9)
documents = st.recursive(values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4))


class TestRequests:
    def test_the_newest_user_message_is_routed(self) -> None:
        assert chat("first", "answer", "newest").text == "newest"
        assert chat("first", "answer").text == "first"
        assert chat("first", "answer").continues
        assert not chat("first").continues

    def test_what_is_routed_is_bounded(self) -> None:
        assert len(chat("x" * (ROUTED_CHARACTERS + 1)).text) == ROUTED_CHARACTERS

    @pytest.mark.parametrize(("prompt", "text"), [("a", "a"), (["a", "b"], "a\nb"), ([1, 2], ""), ([[1], [2]], "")])
    def test_of_a_completion_the_prompt_is_routed(self, prompt: object, text: str) -> None:
        body = json.dumps({"model": AUTO, "prompt": prompt}).encode()
        assert ApiRequest.parse(Endpoint.COMPLETIONS, body).text == text

    def test_a_request_does_not_show_its_content(self) -> None:
        assert "private" not in repr(chat("private", user="private"))

    @given(documents, st.sampled_from(Endpoint))
    def test_any_json_is_a_request_or_an_error_in_openais_shape(self, body: object, endpoint: Endpoint) -> None:
        try:
            ApiRequest.parse(endpoint, json.dumps(body).encode())
        except ApiError as error:
            assert error.status == 400
            assert error.document()["error"]["type"] == "invalid_request_error"


class TestConversations:
    def test_every_later_turn_has_the_key_of_the_first(self) -> None:
        kept = Conversations(SECRET)
        keys = {kept.key(request, None) for request in (chat("a"), chat("a", "b", "c"), chat("a", "b", "c", "d", "e"))}
        assert len(keys) == 1
        others = [chat("b"), chat("a", user="somebody"), chat("a", model="law")]
        assert keys.isdisjoint({kept.key(request, None) for request in others})

    def test_a_key_tells_nothing_without_the_secret(self) -> None:
        assert Conversations(SECRET).key(chat("a"), None) != Conversations(b"t" * 32).key(chat("a"), None)

    def test_a_session_is_another_name_for_a_conversation(self) -> None:
        kept = Conversations(SECRET)
        assert kept.key(chat("a"), "one") == kept.key(chat("b"), "one") != kept.key(chat("a"), "two")

    def test_it_forgets_the_silent_and_the_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(conversation, "CONVERSATIONS_MAX", 2)
        kept, who = Conversations(SECRET), ("o", "d", "u", "m")
        kept.keep(b"1", who, now=0.0)
        assert kept.expert(b"1", now=10.0) == who
        assert kept.expert(b"1", now=conversation.FORGOTTEN_AFTER_S) is None
        kept.keep(b"2", who, now=1.0)
        kept.keep(b"1", who, now=2.0)
        kept.keep(b"3", who, now=3.0)
        assert len(kept) == 2
        assert kept.expert(b"2", now=4.0) is None


PIECE = b'data: {"id":"x","model":"inner","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
LAST = b'data: {"id":"x","model":"inner","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"


def streamed(data: bytes, cuts: list[int], choices: int = 1) -> bytes:
    stream, out, places = AnswerStream("law-8b", choices), b"", sorted({0, len(data), *(c % len(data) for c in cuts)})
    for start, end in pairwise(places):
        out += stream.feed(data[start:end])
    return out + stream.close()


class TestStreams:
    @given(st.lists(st.integers(0, 10_000), max_size=20))
    def test_the_cuts_of_a_stream_do_not_matter(self, cuts: list[int]) -> None:
        data = b": comment\r\n\r\n" + PIECE * 2 + LAST + DONE
        assert streamed(data, cuts) == data.replace(b'"inner"', b'"law-8b"')

    def test_a_stream_without_its_last_event_gets_it(self) -> None:
        assert streamed(PIECE + LAST, []).endswith(b"\n\n" + DONE)
        assert streamed(PIECE + DONE.strip(), []).count(b"[DONE]") == 1

    @pytest.mark.parametrize(("data", "choices"), [(PIECE, 1), (PIECE + LAST, 2), (LAST[:-20], 1), (b"\n", 1)])
    def test_a_stream_that_breaks_off_is_known(self, data: bytes, choices: int) -> None:
        with pytest.raises(NoAnswer):
            streamed(data, [], choices)

    def test_an_error_of_the_expert_ends_a_stream(self) -> None:
        error = b'data: {"error": {"message": "no"}}\n\n'
        assert streamed(PIECE + error, []).endswith(error)

    def test_an_endless_line_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ridgeway.gateway.answer.LINE_BYTES_MAX", 10)
        with pytest.raises(NoAnswer):
            AnswerStream("m").feed(b"x" * 11)

    def test_an_error_event_ends_whatever_event_was_begun(self) -> None:
        event = error_event(StreamInterrupted("broke off"))
        assert event.startswith(b"\n\ndata: {")
        assert json.loads(event.strip().removeprefix(b"data: "))["error"]["code"] == "stream_interrupted"

    def test_a_whole_answer_names_the_model(self) -> None:
        assert json.loads(with_model(b'{"model": "inner", "x": 1}', "law-8b")) == {"model": "law-8b", "x": 1}
        for data in (b"", b"[]", b"{"):
            with pytest.raises(NoAnswer):
                with_model(data, "m")


class TestNames:
    LAW, LATER, OTHER = (
        Expert("a", "law", "https://1/v1", "m"),
        Expert("b", "law", "https://2/v1", "m"),
        Expert("c", "m", "https://3/v1", "n"),
    )

    def test_a_name_is_owner_and_domain_or_a_domain_or_a_model_in_this_order(self) -> None:
        catalogue = Catalogue([self.OTHER, self.LATER, self.LAW], allow_http=False)
        assert catalogue.named("b/law") == [self.LATER]
        assert catalogue.named("law") == [self.LAW, self.LATER]
        assert catalogue.named("m") == [self.OTHER]
        assert catalogue.named("n") == [self.OTHER]

    def test_experts_keep_their_first_place(self) -> None:
        assert distinct([self.LATER, self.LAW, self.LATER]) == [self.LATER, self.LAW]
        assert Catalogue([self.LAW], allow_http=False).find(identity(self.LAW)) == self.LAW

    @pytest.mark.parametrize(
        ("url", "private"),
        [
            ("https://a.example/v1", True),
            ("http://localhost:1/v1", True),
            ("http://127.0.0.9/v1", True),
            ("http://[::1]:1/v1", True),
            ("http://10.0.0.1/v1", False),
            ("http://localhost.evil.example/v1", False),
        ],
    )
    def test_what_is_asked_in_the_clear_is_known(self, url: str, private: bool) -> None:
        assert is_private(url) is private


class TestAccess:
    def test_a_key_is_asked_for(self) -> None:
        access = Access.by("0123456789abcdef")
        access.check({"Authorization": "Bearer 0123456789abcdef"})
        for given_key in ("Bearer 0123456789abcdeF", "Bearer ", "Basic 0123456789abcdef", "\x00", "Bearer \xe9"):
            with pytest.raises(WrongKey):
                access.check({"Authorization": given_key})
        assert "0123" not in repr(access)

    @pytest.mark.parametrize("token", ["", "short", "0123456789 abcdef", "0123456789\nabcdef", "é" * 16])
    def test_a_key_that_can_be_guessed_or_not_be_sent_is_refused(self, token: str) -> None:
        with pytest.raises(WeakToken):
            Access.by(token)

    @pytest.mark.parametrize(
        ("host", "own"),
        [
            ("localhost:7480", True),
            ("127.0.0.1", True),
            ("[::1]:7480", True),
            ("evil.example", False),
            ("", False),
            ("[", False),
        ],
    )
    def test_the_name_of_this_machine_is_known(self, host: str, own: bool) -> None:
        assert is_own_name(host) is own
        if not own:
            with pytest.raises(ForeignSite):
                Access.by(None).check({"Host": host})


class TestKeys:
    def expert(self, owner: str, domain: str = "law") -> Expert:
        return Expert(owner, domain, "https://e/v1", "m")

    def test_the_most_specific_key_wins_and_the_environment_before_the_file(self) -> None:
        keys = ExpertKeys(
            {"RIDGEWAY_KEY_LAW_FIRM": "general", "RIDGEWAY_KEY_LAW_FIRM__TAX_LAW": "specific"},
            {"law-firm/law": "file", "law-firm/tax-law": "file", "clinic": "clinic"},
        )
        assert keys.of(self.expert("law-firm", "tax-law")) == "specific"
        assert keys.of(self.expert("law-firm", "law")) == "file"
        assert keys.of(self.expert("law-firm", "patents")) == "general"
        assert keys.of(self.expert("clinic")) == "clinic"
        assert keys.of(self.expert("school")) is None
        assert "general" not in repr(keys)

    def test_no_owner_can_take_the_variable_of_another(self) -> None:
        keys = ExpertKeys({"RIDGEWAY_KEY_A__B__LAW": "of a"}, {})
        assert keys.of(self.expert("a", "b--law")) == "of a"
        assert keys.of(self.expert("a--b")) is None

    @pytest.mark.parametrize("text", ["not toml", '"a" = 1', '"a" = "two words"', '"a" = ""', '"a" = "x\\r\\ny"'])
    def test_what_is_no_key_is_refused_without_showing_it(self, text: str, tmp_path: Path) -> None:
        path = tmp_path / "keys.toml"
        path.touch(mode=0o600)
        path.write_text(text)
        with pytest.raises(BadKeys) as caught:
            ExpertKeys.read({}, path)
        assert "two words" not in str(caught.value)
        assert "not toml" not in str(caught.value)


def test_a_budget_is_given_back_whatever_happens() -> None:
    budget = ByteBudget(10)
    with pytest.raises(Overloaded), budget.lease() as lease:
        lease.take(6)
        lease.take(5)
    with budget.lease() as first, budget.lease() as second:
        first.take(5)
        second.take(5)
        with pytest.raises(Overloaded):
            second.take(1)
    with budget.lease() as lease:
        lease.take(10)

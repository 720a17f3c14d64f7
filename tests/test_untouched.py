"""Who edits one name does not wait for the others; the verdict is the one that running everything gives."""

import json

import pytest

from grader.judge import grade as stages
from grader.process import store
from tests.test_cli import run, stub_of  # noqa: F401

MASK = "def causal_mask(t_q, t_k):\n    return jnp.arange(t_k) <= jnp.arange(t_q)[:, None] + {offset}\n\n\n"
SDPA = (
    "def causal_sdpa(q, k, v):\n"
    "    seen = jnp.arange(k.shape[0]) <= jnp.arange(q.shape[0])[:, None] + (k.shape[0] - q.shape[0])\n"
    "    weights = jax.nn.softmax(jnp.where(seen, q @ k.T{scale}, -jnp.inf), axis=-1)\n"
    "    return weights @ v\n"
)
BEGINNING = "import jax\nimport jax.numpy as jnp\n\n\n"
RIGHT, SCALE = "(t_k - t_q)", " / q.shape[-1] ** 0.5"
NOTE = "As when it last passed, and not run again: {}. `--again` runs everything."


def answer(offset: str = RIGHT, scale: str = SCALE) -> str:
    return BEGINNING + MASK.format(offset=offset) + SDPA.format(scale=scale)


@pytest.fixture
def graded(course, run, monkeypatch):  # noqa: F811
    """Grades a text as the stub of 33: its verdict, and the names about which a worker was asked."""
    asked, ask = set(), stages.ask

    def counted(run, *arguments, **more):
        asked.update(call.check.entry for call in run.asked)
        return ask(run, *arguments, **more)

    monkeypatch.setattr(stages, "ask", counted)

    def graded(text: str, *options: str) -> tuple[dict, set[str]]:
        asked.clear()
        stub_of(course, 33).write_text(text)
        verdict = json.loads(run("33", "--json", *options)[1])["problems"][0]
        verdict.pop("seconds")
        return verdict, {*asked}

    return graded


def test_a_name_that_passed_is_not_run_again_for_an_edit_of_another(graded):
    """What is told of it is the same, and a note says so; also after the next edit, and where the file gives the other
    name up."""
    _, asked = graded(answer())
    assert asked == {"causal_mask", "causal_sdpa"}
    for offset in ("0 * t_k", RIGHT + " * 1"):
        spared, asked = graded(answer(offset))
        assert asked == {"causal_mask"}, offset
        whole, asked = graded(answer(offset), "--again")
        assert asked == {"causal_mask", "causal_sdpa"}
        assert spared.pop("notes") == [NOTE.format("causal_sdpa")] and whole.pop("notes") == []
        assert spared == whole
    spared, asked = graded(answer().replace("    return jnp.arange(t_k)", "    raise NotImplementedError\n    x = 0"))
    assert asked == {"causal_mask"} and spared["status"] == "failed"


@pytest.mark.thorough
def test_an_edit_that_changes_nothing_runs_nothing_again_but_the_import(graded):
    """A comment is in no piece; a file that no longer can be imported is told as that."""
    graded(answer())
    verdict, asked = graded("# mine\n" + answer().replace("    weights", "    # one row a query\n    weights"))
    assert asked == set() and verdict["status"] == "passed"
    assert verdict["notes"] == [
        "As when they last passed, and not run again: causal_mask, causal_sdpa. `--again` runs everything."
    ]
    verdict, _ = graded("import nowhere\n" + answer())
    assert verdict["status"] == "failed" and "nowhere" in json.dumps(verdict)


def test_what_did_not_pass_or_printed_is_run_again(graded):
    """Only a pass is remembered of a name, so that lines and sentences are those of the file as it is; and what a call
    prints is told each time."""
    graded(answer(scale=""))
    verdict, asked = graded(answer("(t_k - t_q) * 1", scale=""))
    assert asked == {"causal_mask", "causal_sdpa"}
    assert verdict["notes"] == [] and verdict["status"] == "failed"
    _, asked = graded(answer("(t_k - t_q) * 1", scale=SCALE))
    assert asked == {"causal_sdpa"}
    loud = answer().replace("    weights", "    print('seen')\n    weights")
    graded(loud)
    _, asked = graded(loud.replace(RIGHT, "t_k - t_q"))
    assert asked == {"causal_mask", "causal_sdpa"}


@pytest.mark.thorough
def test_what_both_are_made_of_has_both_run_again(graded):
    """A helper, a list that both may reach, an import, and other checks."""
    helped = answer().replace(SCALE, " / root(q)") + "\n\ndef root(q):\n    return q.shape[-1] ** 0.5\n"
    graded(helped)
    assert graded(helped.replace("return q.shape", "return 1.0 * q.shape"))[1] == {"causal_sdpa"}
    kept = helped.replace(RIGHT, f"{RIGHT} + 0 * len(SEEN)").replace("    weights", "    SEEN.sort()\n    weights")
    kept = kept.replace(BEGINNING, f"{BEGINNING}SEEN = [1]\n\n\n")
    graded(kept)
    assert graded(kept.replace("0 * len", "0.0 * len"))[1] == {"causal_mask", "causal_sdpa"}


@pytest.mark.thorough
def test_a_recording_that_is_not_one_is_not_read(course, graded):
    """What stands among the recordings is data, and may be anything."""
    graded(answer())
    for kept in store.folder(course, "attempts").iterdir():
        content = kept.read_bytes()
        for torn in (content[:-9], content[:40], b"", content.replace(b'"pieces": {', b'"pieces": 3, "p": {')):
            kept.write_bytes(torn)
            verdict, asked = graded(answer("t_k - t_q"), "-q")
            assert asked == {"causal_mask", "causal_sdpa"} and verdict["status"] == "passed"
            for other in store.folder(course, "attempts").iterdir():
                if other != kept:
                    other.unlink()

"""Known secrets are blanked in all that leaves a run."""

from rlm_kernel.trajectory.records import Output, Rich
from rlm_kernel.trajectory.secrets import Secrets

KEY = "kept-between-us-77"


def test_secrets_in_addresses_are_known_and_the_rest_of_an_address_is_not_hidden():
    """A password in a database's URL, a key in the query of a server's."""
    environ = {
        "DATABASE_URL": "postgres://me:p%40ssword-1@db.example/x",
        "OPENAI_BASE_URL": "https://h.example/v1?api-key=in-the-query&v=20261111",
        "HOOK_SECRET": "https://hooks.example/T0/B0",
    }
    secrets = Secrets.known(environ, ["http://u:more-secret@h/", None])

    said = secrets.blank(
        "p%40ssword-1 p@ssword-1 in-the-query more-secret https://hooks.example/T0/B0 https://h.example/v1 20261111"
    )

    assert said == "[secret] [secret] [secret] [secret] [secret] https://h.example/v1 20261111"


def test_nested_rich_outputs_are_blanked():
    """Plots and JSON are dicts, not texts."""
    rich = Rich(data={"application/json": {"a": [KEY, {KEY: 1}], "n": 5}, "text/html": f"<b>{KEY}</b>"})

    output = Secrets.known({}, [KEY]).blank_output(Output(rich=(rich,)))

    assert output.rich[0].data == {
        "application/json": {"a": ["[secret]", {"[secret]": 1}], "n": 5},
        "text/html": "<b>[secret]</b>",
    }

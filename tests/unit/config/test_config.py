"""Settings: strict reading, helpful errors, faithful writing, and documented examples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sesn_node.config import SECTIONS, Agency, Config, Contact, Limits, Node, load, render
from sesn_node.domain.cards import Role
from sesn_node.domain.case_policy import CasePolicy
from sesn_node.domain.case_terms import Ground
from sesn_node.domain.ids import AgencyId
from sesn_node.errors import ConfigError
from sesn_node.settings import name, settings

EXAMPLES = Path(__file__).resolve().parents[3] / "configs"
AGENCY = '[agency]\nid = "nl.customs"\nname = "Customs"\ncountry = "NL"\nrole = "customs"\n'


_TSA = '{ url = "http://a/", roots = "r.pem" }'


def _asking(*authorities: str) -> str:
    return f"{AGENCY}[timestamps]\nauthorities = [{', '.join(authorities)}]\n"


_BASEL = '{ name = "basel", illegal_days = 30, consented_days = 90 }'


def _counting(*regimes: str) -> str:
    return f"{AGENCY}[cases]\nregimes = [{', '.join(regimes)}]\n"


def _agency() -> Agency:
    return Agency(id=AgencyId("nl.customs"), name="Customs", country="NL", role=Role.CUSTOMS)


def _load(folder: Path, text: str) -> Config:
    path = folder / "node.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.name)
def test_examples_load(path: Path) -> None:
    """Every example in configs/ is a valid settings file."""
    assert load(path).home == EXAMPLES


def test_full_example_is_what_init_writes() -> None:
    """configs/node.toml has every key with its documentation, as `render` writes it."""
    path = EXAMPLES / "node.toml"
    assert path.read_text(encoding="utf-8") == render(load(path))


def test_every_key_is_documented() -> None:
    """In configs/node.toml, each key of each section stands under a comment."""
    lines = (EXAMPLES / "node.toml").read_text(encoding="utf-8").splitlines()
    for section in SECTIONS:
        start = lines.index(f"[{name(section)}]")
        for key, setting in settings(section).items():
            place = next(i for i in range(start, len(lines)) if lines[i].startswith(f"{key} = "))
            assert lines[place - 1].startswith("# ")
            assert setting.doc


def test_minimal_settings_take_defaults(tmp_path: Path) -> None:
    """An agency is all that must be given; the rest has the protocol's values."""
    config = _load(tmp_path, AGENCY)
    assert config == Config(home=tmp_path, agency=_agency())
    assert config.limits.payload_bytes == 1_048_576
    assert config.node.listen == ""


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        (AGENCY + "[nodes]\n", "nodes", "unknown section"),
        (AGENCY + '[node]\nport = "1"\n', "node.port", "unknown key"),
        ("node = 1\n" + AGENCY, "node", "expected a section"),
        ('[agency]\nid = "nl.customs"\n', "agency.name", "missing"),
        (AGENCY.replace("nl.customs", "NL"), "agency.id", "expected a country code"),
        (AGENCY.replace('"Customs"', '" "'), "agency.name", "must not be empty"),
        (AGENCY.replace('"Customs"', '"a\\u001b[2J"'), "agency.name", "U+001B"),
        (AGENCY.replace('"NL"', '"DE"'), "agency.country", "does not fit"),
        (AGENCY.replace('"NL"', '"Netherlands"'), "agency.country", "ISO 3166-1"),
        (AGENCY.replace('role = "customs"', 'role = "navy"'), "agency.role", "one of customs"),
        (AGENCY.replace('role = "customs"', "role = 1"), "agency.role", "text in quotes"),
        (AGENCY + '[node]\nlisten = "7443"\n', "node.listen", "host:port"),
        (AGENCY + '[node]\nlisten = "a:65536"\n', "node.listen", "host:port"),
        (AGENCY + '[node]\nadvertise = ["a:0"]\n', "node.advertise", "host:port"),
        (AGENCY + '[node]\nadvertise = ["http://a:1"]\n', "node.advertise", "host:port"),
        (AGENCY + '[node]\nadvertise = "a:1"\n', "node.advertise", "list of texts"),
        (AGENCY + "[node]\nadvertise = [1]\n", "node.advertise", "list of texts"),
        (AGENCY + '[node]\nadvertise = ["a:1", "a:1"]\n', "node.advertise[1]", "twice"),
        (AGENCY + '[contact]\nlanguages = ["english"]\n', "contact.languages[0]", "ISO 639-1"),
        (AGENCY + '[contact]\nemail = "desk"\n', "contact.email", "address"),
        (AGENCY + '[database]\nurl = "mysql://h/d"\n', "database.url", "sqlite:///"),
        (AGENCY + '[database]\nurl = "postgresql://h:p/d"\n', "database.url", "postgresql://"),
        (AGENCY + '[database]\nurl = "sqlite:///:memory:"\n', "database.url", "path of a file"),
        (AGENCY + '[database]\nurl = "sqlite:///a?mode=ro"\n', "database.url", "path of a file"),
        (AGENCY + "[limits]\npayload_bytes = 1048577\n", "limits.payload_bytes", "to 1048576"),
        (AGENCY + "[limits]\nbatch_bytes = 200000\n", "limits.batch_bytes", "expected 1179648"),
        (AGENCY + "[limits]\nrecipients = true\n", "limits.recipients", "whole number"),
        (AGENCY + "[limits]\nrecipients = 1.0\n", "limits.recipients", "whole number"),
        (AGENCY + "[limits]\nclock_skew_seconds = 601\n", "limits.clock_skew_seconds", "to 600"),
        (AGENCY + "[delivery]\nbackoff_cap_ms = 10\n", "delivery.backoff_cap_ms", "at least"),
        (AGENCY + "[delivery]\nattempts = 0\n", "delivery.attempts", "1 to 1000000"),
        (AGENCY + '[log]\nlevel = "loud"\n', "log.level", "debug, info"),
        (AGENCY + '[metrics]\nlisten = "9464"\n', "metrics.listen", "host:port"),
        (AGENCY + "[metrics]\nlisten = 9464\n", "metrics.listen", "text in quotes"),
        (AGENCY + "[traces]\none_in = 0\n", "traces.one_in", "expected 1 to 1000000"),
        (AGENCY + "[traces]\nfiles = 0\n", "traces.files", "expected 1 to"),
        (AGENCY + '[traces]\nfile = "a\\nb"\n', "traces.file", "U+000A"),
        (_asking('"http://a/"'), "timestamps.authorities", "list of tables with url, roots"),
        (_asking("1"), "timestamps.authorities", "list of tables"),
        (_asking("{}"), "timestamps.authorities[0].url", "missing"),
        (_asking('{ url = "http://a/" }'), "timestamps.authorities[0].roots", "missing"),
        (_asking(_TSA, '{ url = "a", roots = "r" }'), "authorities[1].url", "http:// or https://"),
        (_asking('{ url = "ftp://a/", roots = "r" }'), "authorities[0].url", "http:// or https://"),
        (_asking('{ url = "http:///a", roots = "r" }'), "authorities[0].url", "expected a host"),
        (_asking('{ url = "http://u:p@a/", roots = "r" }'), "authorities[0].url", "no user"),
        (_asking('{ url = "http://a:99999/", roots = "r" }'), "authorities[0].url", "a host"),
        (_asking('{ url = "http://a/#x", roots = "r" }'), "authorities[0].url", "expected a host"),
        (_asking('{ url = "http://a b/", roots = "r" }'), "authorities[0].url", "http:// or"),
        (_asking('{ url = "http://a/", roots = " " }'), "authorities[0].roots", "name a file"),
        (_asking('{ url = 1, roots = "r" }'), "timestamps.authorities[0].url", "text in quotes"),
        (_asking(_TSA[:-2] + ', policy = "tsa" }'), "authorities[0].policy", "object identifier"),
        (_asking(_TSA[:-2] + ", weight = 1 }"), "authorities[0].weight", "unknown key"),
        (_asking(_TSA, _TSA), "timestamps.authorities[1]", "twice"),
        (_asking(*(_TSA.replace("//a", f"//{n}") for n in range(9))), "authorities", "0 to 8"),
        (AGENCY + "[timestamps]\ninterval_seconds = 0\n", "interval_seconds", "1 to 604800"),
        (AGENCY + "[cases]\nregimes = []\n", "cases.regimes", "1 to 20"),
        (_counting(_BASEL, _BASEL), "cases.regimes[1]", "twice"),
        (_counting(_BASEL, _BASEL.replace("30", "31")), "cases.regimes[1]", "twice"),
        (_counting(_BASEL.replace("30", "0")), "cases.regimes[0].illegal_days", "1 to 3660"),
        (_counting('{ name = "basel" }'), "cases.regimes[0].illegal_days", "missing"),
        (_counting(_BASEL.replace("basel", "Basel")), "cases.regimes[0].name", "a-z"),
        (AGENCY + "[cases]\nwarn_days = -1\n", "cases.warn_days", "0 to 3660"),
        (AGENCY + "[cases]\nremind_days = [7, 0]\n", "cases.remind_days[1]", "1 to 3660"),
        (AGENCY + "[cases]\nremind_days = [7, 7]\n", "cases.remind_days[1]", "twice"),
        (AGENCY + "[cases]\nremind_days = [true]\n", "cases.remind_days", "whole numbers"),
        (AGENCY + '[cases]\nremind_days = ["7"]\n', "cases.remind_days", "whole numbers"),
        (AGENCY + '[contact]\ntime_zone = "Europe"\n', "contact.time_zone", "no time zone"),
        (AGENCY + '[contact]\ntime_zone = "Europe/Utopia"\n', "contact.time_zone", "no time zone"),
        (AGENCY + '[contact]\ntime_zone = "../UTC"\n', "contact.time_zone", "IANA"),
        (AGENCY + "[timestamps]\ngrace_seconds = -1\n", "timestamps.grace_seconds", "0 to"),
        (AGENCY + "[limits]\ndisk_floor_mib = -1\n", "limits.disk_floor_mib", "expected 0 to"),
        (AGENCY + '[log]\nlevel = "info"\nlevel = "info"\n', "node.toml", "TOML"),
        ("[agency", "node.toml", "TOML"),
        ("a = " + "[" * 10_000, "node.toml", "TOML"),
    ],
)
def test_bad_settings_are_refused(tmp_path: Path, text: str, where: str, problem: str) -> None:
    """The error names the file, the section and key, and the problem."""
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'node.toml'}: ")
    assert where in message
    assert problem in message


def test_unreadable_file_tells_the_way_out(tmp_path: Path) -> None:
    """Without a file, the error names the command that makes one."""
    with pytest.raises(ConfigError, match="sesn init"):
        load(tmp_path / "node.toml")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """A file that is not UTF-8 is a settings error, not a crash."""
    path = tmp_path / "node.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(path)


def test_settings_are_checked_when_made() -> None:
    """A section made in code keeps the rules of the file."""
    with pytest.raises(ConfigError, match=r"limits\.recipients: expected 1 to 500, got 501"):
        Limits(recipients=501)


def test_relative_database_starts_at_home(tmp_path: Path) -> None:
    """A relative path, {home} and an absolute path give the file that one expects."""
    for url, expected in [
        ("sqlite:///data/n.db", tmp_path / "data/n.db"),
        ("sqlite:///{home}/n.db", tmp_path / "n.db"),
        ("sqlite:////srv/n.db", Path("/srv/n.db")),
    ]:
        config = _load(tmp_path, AGENCY + f'[database]\nurl = "{url}"\n')
        assert config.database_path == expected
        assert config.database_url == f"sqlite:///{expected}"


def test_trace_file_starts_at_home(tmp_path: Path) -> None:
    """A relative path, {home} and an absolute path give the file that one expects; none is off."""
    assert _load(tmp_path, AGENCY).traces_path is None
    for file, expected in [
        ("t.jsonl", tmp_path / "t.jsonl"),
        ("{home}/t.jsonl", tmp_path / "t.jsonl"),
        ("/var/log/t.jsonl", Path("/var/log/t.jsonl")),
    ]:
        assert _load(tmp_path, AGENCY + f'[traces]\nfile = "{file}"\n').traces_path == expected


def test_card_parts_follow_settings() -> None:
    """Contact and limits reach the card as they are set."""
    assert Contact(focal_point="Desk", languages=("nl",)).on_card().languages == ("nl",)
    assert Contact(time_zone="Africa/Accra").on_card().time_zone == "Africa/Accra"
    assert Limits(batch_envelopes=7).on_card().batch_envelopes == 7


LINES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cf"]), max_size=200)


@given(desk=LINES, hours=LINES, port=st.integers(0, 65_535), envelopes=st.integers(1, 256))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, desk: str, hours: str, port: int, envelopes: int
) -> None:
    """`load` gives back what `render` wrote, whatever the texts hold."""
    home = tmp_path_factory.getbasetemp()
    config = Config(
        home=home,
        agency=replace(_agency(), name='"quoted" \\ name'),
        node=Node(listen=f"[::1]:{port}"),
        contact=Contact(focal_point=desk, duty_hours=hours),
        limits=Limits(batch_envelopes=envelopes),
    )
    assert _load(home, render(config)) == config


def test_authorities_are_read_and_written(tmp_path: Path) -> None:
    """A list of tables keeps its order; their files of roots are found from the home."""
    second = '{ url = "https://b:8443/tsa?x=1", roots = "{home}/b.pem", policy = "1.2.3" }'
    config = _load(tmp_path, _asking(_TSA, second))
    first, other = config.timestamps.authorities
    assert (first.url, first.policy) == ("http://a/", "")
    assert (other.url, other.policy) == ("https://b:8443/tsa?x=1", "1.2.3")
    assert [config.roots_path(one) for one in (first, other)] == [
        tmp_path / "r.pem",
        tmp_path / "b.pem",
    ]
    (tmp_path / "node.toml").write_text(render(config), encoding="utf-8")
    assert load(tmp_path / "node.toml") == config


def test_cases_are_read_and_written(tmp_path: Path) -> None:
    """Regimes as tables; reminders in any order."""
    other = """
[cases]
remind_days = [1, 14, 3]

[[cases.regimes]]
name = "oecd"
illegal_days = 20
consented_days = 60

[[cases.regimes]]
name = "basel"
illegal_days = 30
consented_days = 90
"""
    config = _load(tmp_path, AGENCY + other)
    policy = config.cases.policy()
    assert policy.remind_days == (1, 3, 14)
    assert policy.regime(None).days(Ground.DUMPING) == 20
    assert policy.regime("basel").days(Ground.NOT_COMPLETED) == 90
    (tmp_path / "node.toml").write_text(render(config), encoding="utf-8")
    assert load(tmp_path / "node.toml") == config


def test_what_is_not_set_counts_as_the_law_does(tmp_path: Path) -> None:
    """The defaults of the file are those of the use cases."""
    assert _load(tmp_path, AGENCY).cases.policy() == CasePolicy()

import pwd
from pathlib import Path

import pytest

from service.errors import SettingsRefused
from service.settings import Settings, blank_variables, cores, load_settings


def faults(**environ: str) -> tuple[str, ...]:
    with pytest.raises(SettingsRefused) as refused:
        load_settings({f"STEERREC_{name.upper()}": value for name, value in environ.items()})
    return refused.value.faults


def test_an_empty_environment_gives_the_defaults() -> None:
    assert load_settings({}).max_batch == 32


def test_a_variable_sets_its_field() -> None:
    assert load_settings({"STEERREC_MAX_BATCH": "7"}).max_batch == 7


def test_a_value_in_code_goes_before_the_environment() -> None:
    assert load_settings({"STEERREC_MAX_BATCH": "7"}, max_batch=8).max_batch == 8


def test_variables_of_others_are_ignored() -> None:
    assert load_settings({"PATH": "x", "MAX_BATCH": "7"}).max_batch == 32


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    (fault,) = faults(max_bach="7")
    assert fault == "STEERREC_MAX_BACH: no such setting; did you mean STEERREC_MAX_BATCH?"


def test_a_name_like_no_other_is_refused_with_the_list() -> None:
    assert faults(xyzzy="1") == ("STEERREC_XYZZY: no such setting; docs/settings.md lists all",)


def test_every_fault_is_named_at_once() -> None:
    names = [fault.split(":")[0] for fault in faults(max_batch="0", queue_limit="x", bimd="y:1")]
    assert names == ["STEERREC_BIMD", "STEERREC_MAX_BATCH", "STEERREC_QUEUE_LIMIT"]


@pytest.mark.parametrize("text", ["localhost", ":80", "h:99999", "h:-1", "h:x"])
def test_an_address_is_host_and_port(text: str) -> None:
    assert faults(bind=text)[0].startswith("STEERREC_BIND: must be host:port")


@pytest.mark.parametrize(("text", "value"), [("false", False), ("0", False), ("true", True)])
def test_a_switch_reads_words(text: str, value: bool) -> None:
    assert load_settings({"STEERREC_REFLECTION": text}).reflection is value


def test_labels_are_split_at_commas() -> None:
    assert load_settings({"STEERREC_LABELS": "production, beta"}).labels == ("production", "beta")


def test_labels_include_production() -> None:
    assert faults(labels="canary") == ("STEERREC_LABELS: 'production' must be one of them",)


def test_the_password_of_redis_is_not_in_the_repr() -> None:
    settings = load_settings({"STEERREC_REDIS_URL": "redis://:hunter2@h:1/0"})
    assert "hunter2" not in repr(settings)


def test_a_refused_url_is_not_quoted() -> None:
    (fault,) = faults(redis_url="http://:hunter2@h")
    assert "hunter2" not in fault


def test_the_store_is_in_the_data_folder_by_default() -> None:
    assert load_settings({"STEERREC_DATA_DIR": "d"}).store_root == "d/store"


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings({}).max_batch = 1


def test_names_of_clients_may_stand_beside_the_replicas_own() -> None:
    load_settings({"STEERREC_CLIENT_ADDRESS": "127.0.0.1:1"})


@pytest.mark.parametrize("text", ["auto", "0", " Auto "])
def test_workers_may_be_one_per_core(text: str) -> None:
    assert load_settings({"STEERREC_WORKERS": text}).workers == cores()


@pytest.mark.parametrize("text", ["-1", "many", "1000"])
def test_workers_are_a_number(text: str) -> None:
    assert faults(workers=text)[0].startswith("STEERREC_WORKERS: ")


def test_workers_share_no_decision_file() -> None:
    (fault,) = faults(workers="2", decision_log="decisions.jsonl")
    assert "set STEERREC_DECISION_LOG=redis, or STEERREC_WORKERS=1" in fault


@pytest.mark.parametrize("name", ["max_connection_bytes", "max_held_bytes"])
def test_one_message_fits_what_may_be_held(name: str) -> None:
    (fault,) = faults(**{name: str(2**20)})
    assert f"STEERREC_{name.upper()} is 1048576, less than one message of 16777216 bytes" in fault


@pytest.mark.parametrize("field", Settings.model_fields)
@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_a_blank_variable_counts_as_unset(field: str, blank: str) -> None:
    environ = {"STEERREC_DATA_DIR": "d", f"STEERREC_{field.upper()}": blank}
    if field == "data_dir":
        assert load_settings(environ).data_dir == load_settings({}).data_dir
    else:
        assert load_settings(environ) == load_settings({"STEERREC_DATA_DIR": "d"})


def test_a_blank_variable_of_an_unknown_name_is_refused() -> None:
    assert faults(max_bach="")[0].startswith("STEERREC_MAX_BACH: no such setting")


def test_the_blank_variables_can_be_named() -> None:
    environ = {"STEERREC_BIND": " ", "STEERREC_LOG_LEVEL": "info", "STEERREC_CLIENT_ADDRESS": ""}
    assert blank_variables(environ) == ["STEERREC_BIND"]


def test_blanks_around_a_value_do_not_count() -> None:
    assert load_settings({"STEERREC_LOG_LEVEL": " info\n"}).log_level == "info"


def test_an_empty_path_in_code_is_never_the_working_folder() -> None:
    with pytest.raises(SettingsRefused, match="STEERREC_DATA_DIR: must name a path"):
        load_settings({}, data_dir="")


def test_without_a_home_folder_the_data_folder_must_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    homeless(monkeypatch)
    (fault,) = faults(bind="127.0.0.1:0")
    assert fault.startswith("STEERREC_DATA_DIR: must be set to a folder")


def test_without_a_home_folder_the_other_faults_are_named_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    homeless(monkeypatch)
    assert len(faults(max_batch="0")) == 2


def test_without_a_home_folder_a_data_folder_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    homeless(monkeypatch)
    assert load_settings({"STEERREC_DATA_DIR": "/data"}).store_root == "/data/store"


def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave this process without a home folder, as a uid without HOME and passwd entry has none."""

    def no_entry(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    for name in ("HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", no_entry)


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert load_settings({"STEERREC_DATA_DIR": "~/data"}).data_dir == Path("/home/ada/data")


def test_a_ready_file_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    assert "is a folder; name a file in it" in faults(ready_file=str(tmp_path))[0]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("max_batch", "1e3", "'1e3' is not a whole number from 1 to 1,024"),
        ("queue_wait_s", "nan", "'nan' is not a number above 0 and up to 3,600"),
        ("publish_min_overlap", "2", "'2' is not a number from 0 to 1"),
        ("reflection", "maybe", "'maybe' is not true or false"),
        ("log_format", "xml", "'xml' is not one of 'text' or 'json'"),
        ("replica_id", "a b", "'a b' is not at most 100 letters, digits, '.', '_' and '-'"),
    ],
)
def test_a_fault_names_the_value_and_what_it_must_be(name: str, value: str, sentence: str) -> None:
    assert f"STEERREC_{name.upper()}: {sentence}" in faults(**{name: value})


def test_a_fault_of_the_redis_url_keeps_its_password_secret() -> None:
    assert "s3cret" not in str(faults(redis_url="redis://:s3cret@h:99999/0"))


@pytest.mark.parametrize("name", ["ready_file", "decision_log"])
def test_a_device_is_no_file_to_replace(name: str) -> None:
    fault = f"STEERREC_{name.upper()}: /dev/null is a device, pipe or socket; name a file of a disk"
    assert faults(**{name: "/dev/null"}) == (fault,)


def test_the_decision_log_of_redis_is_named_in_any_case() -> None:
    assert load_settings({"STEERREC_DECISION_LOG": "Redis"}).decision_log == "redis"


def test_every_bounded_setting_says_its_bounds() -> None:
    numbers = {
        name
        for name, field in Settings.model_fields.items()
        if isinstance(field.default, int | float) and not isinstance(field.default, bool)
    }
    told = [fault for name in numbers for fault in faults(**{name: "x"}) if " number " in fault]
    assert len(told) == len(numbers)

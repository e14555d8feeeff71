"""validate, schema, migrate and plan, as a user types them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from crossad.cli import VERBS, migrate, plan, schema, validate
from crossad.conditions.plan import condition_parts
from crossad.conditions.suite import parse_config
from crossad.results.home import FolderHome

CONDITIONS = Path(__file__).parents[2] / "conditions"
DRAEM = {"model_type": "draem", "source_domain": "domain_A", "target_domains": ["domain_B"]}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def call(verb, *words):
    return CliRunner().invoke(verb.command, [str(word) for word in words])


def write(name="s.json", *configs, **envelope):
    elements = [{"name": f"c{index}", "config": config} for index, config in enumerate(configs or (DRAEM,))]
    Path(name).write_text(json.dumps({**envelope, "experiment_conditions": elements}))
    return Path(name)


def domains(*names):
    for name in names:
        for part, count in (("train/good", 6), ("test/good", 4), ("test/fault", 4)):
            folder = Path("data", name, part)
            folder.mkdir(parents=True)
            for index in range(count):
                (folder / f"{index:06d}.png").write_bytes(b"")
    return Path("data")


@pytest.mark.parametrize("name", ["validate", "schema", "migrate", "plan"])
def test_every_verb_explains_itself_with_an_example(name):
    verb = {"validate": validate, "schema": schema, "migrate": migrate, "plan": plan}[name]
    text = call(verb, "--help").output
    assert f"crossad {name}" in text
    assert verb.command.help.splitlines()[0] == VERBS[name]


def test_validate_passes_good_files():
    result = call(validate, *sorted(CONDITIONS.glob("*.json")))
    assert result.exit_code == 0
    assert "base.json: good, 16 conditions" in result.stderr
    assert result.stdout == ""


def test_validate_shows_every_fault_of_every_file():
    one, two = write("one.json", {**DRAEM, "batch_size": 0}), write("two.json", {**DRAEM, "sede": 1})
    result = call(validate, one, two, "gone.json", "--json")
    assert result.exit_code == 2
    facts = json.loads(result.stdout)
    assert [fact["file"] for fact in facts] == ["one.json", "two.json", "gone.json"]
    assert facts[0]["faults"][0]["path"] == "experiment_conditions[0].config.batch_size"
    assert (facts[0]["faults"][0]["line"], facts[0]["faults"][0]["allowed"]) == (1, "at least 1")
    assert "did you mean seed?" in result.stderr


def test_validate_checks_the_data_where_it_is_given():
    domains("domain_A", "domain_C")
    result = call(validate, write(), "--data", "data")
    assert result.exit_code == 2
    assert "no such domain in the data: domain_B" in result.stderr
    assert call(validate, write("t.json", {**DRAEM, "target_domains": ["domain_C"]}), "--data", "data").exit_code == 0


def test_validate_takes_overrides_like_run():
    assert call(validate, write(), "--set", "max_epochs=1", "batch_size=2").exit_code == 0
    assert call(validate, write(), "--set", "max_epochs=0").exit_code == 2
    assert call(validate, "--set", "max_epochs=0").exit_code == 2


def test_schema_prints_schema_table_and_keys():
    assert json.loads(call(schema).stdout)["title"] == "crossad suite"
    assert call(schema, "--format", "markdown").stdout.startswith("# Keys of a condition")
    assert call(schema, "--json").stdout == call(schema, "--format", "keys").stdout
    assert {"key", "type", "unit", "default", "models", "identity", "description"} == set(
        json.loads(call(schema, "--json").stdout)[0]
    )


def test_migrate_writes_a_new_file_and_tells_each_change():
    old = write("old.json", {"model_type": "draem", "source_domain": "domain_A", "val_split_ratio": 0.1})
    result = call(migrate, old, "-o", "new.json", "--targets", "domain_B, domain_C")
    assert result.exit_code == 0
    assert "val_split_ratio removed" in result.stderr
    new = json.loads(Path("new.json").read_text())
    assert new["experiment_conditions"][0]["config"]["target_domains"] == ["domain_B", "domain_C"]
    assert call(validate, "new.json").exit_code == 0


def test_migrate_never_overwrites():
    write("new.json")
    before = Path("new.json").read_bytes()
    result = call(migrate, write("old.json"), "-o", "new.json")
    assert result.exit_code == 2
    assert "already there" in result.stderr
    assert Path("new.json").read_bytes() == before


def test_migrate_prints_without_an_output_file():
    assert json.loads(call(migrate, write()).stdout)["experiment_conditions"][0]["config"] == DRAEM
    assert json.loads(call(migrate, write(), "--json").stdout) == {"changes": [], "output": None}


def test_migrate_says_what_is_left_to_correct():
    result = call(migrate, write("old.json", {"model_type": "draem_cutpaste", "domain": "domain_A"}))
    assert result.exit_code == 3
    assert "unknown model" in result.stderr


@pytest.mark.parametrize("text", ["", "[1]", '{"a": 1, "a": 2}'])
def test_migrate_refuses_what_is_no_suite(text):
    Path("old.json").write_text(text)
    assert call(migrate, "old.json").exit_code == 2
    assert call(migrate, "gone.json").exit_code == 2


def test_plan_shows_new_work_and_shared_trainings():
    file = write("s.json", DRAEM, {**DRAEM, "target_domains": ["domain_C"]})
    result = call(plan, file)
    assert result.exit_code == 0
    assert "shared with 0" in result.stdout
    assert "2 conditions: 2 new, 0 done, 0 failed, 0 stale; 1 trainings to do, 1 shared" in result.stdout
    assert "crossad run s.json" in result.stderr


def test_plan_sees_what_is_committed_failed_and_stale():
    file = write("s.json", DRAEM, {**DRAEM, "seed": 1}, {**DRAEM, "seed": 2})
    rows = json.loads(call(plan, file, "--json").stdout)["plan"]
    ledger = FolderHome(Path("results")).ledger
    ledger.commit("condition", rows[0]["condition_id"], {"record": "r.json"})
    ledger.record_failure(rows[1]["condition_id"], "attempt", {"error": {}})
    facts = json.loads(call(plan, file, "--json").stdout)
    assert [row["state"] for row in facts["plan"]] == ["done", "failed", "new"]
    assert (facts["done"], facts["failed"], facts["new"]) == (1, 1, 1)

    from crossad.data.lock import lock_part, write_lock

    root = domains("domain_A", "domain_B")
    write_lock(root)
    lock = lock_part(root, condition_parts(parse_config({**DRAEM, "seed": 1})))
    ledger.commit("condition", rows[1]["condition_id"], {"record": "r.json"}, lock)
    ledger.commit("condition", rows[2]["condition_id"], {"record": "r.json"}, "0" * 64)
    facts = json.loads(call(plan, file, "--json").stdout)
    assert [row["state"] for row in facts["plan"]] == ["stale", "done", "stale"]


def test_plan_resolves_auto_with_the_data_and_counts_work():
    file = write("s.json", {**DRAEM, "target_domains": "auto", "max_epochs": 2, "batch_size": 4})
    assert call(plan, file).exit_code == 2
    root = domains("domain_A", "domain_B", "domain_C")
    facts = json.loads(call(plan, file, "--data", root, "--json").stdout)
    assert facts["plan"][0]["to_score"] == ["domain_A", "domain_B", "domain_C"]
    assert (facts["training_steps"], facts["images_to_score"]) == (4, 24)


@pytest.mark.parametrize(
    "words", [["gone.json"], ["s.json", "--ids", "9"], ["s.json", "--set", "x"], ["s.json", "t.json"]]
)
def test_plan_ends_with_2_on_bad_input(words):
    write()
    result = call(plan, *words)
    assert result.exit_code == 2
    assert "Traceback" not in result.output

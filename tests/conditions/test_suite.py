import json

import pytest

from crossad.conditions.faults import SuiteError
from crossad.conditions.suite import load_suite, parse_overrides, parse_suite
from crossad.errors import MissingInputError, UsageError

DRAEM = {"model_type": "draem", "source_domain": "domain_A", "target_domains": ["domain_B"]}
PATCHCORE = {"model_type": "patchcore", "source_domain": "domain_A", "target_domains": ["domain_B"]}


def element(name="one", config=DRAEM, **more):
    return {"name": name, "config": config, **more}


def parse(*elements, overrides=None, **envelope):
    text = json.dumps({**envelope, "experiment_conditions": list(elements)}, indent=1)
    return parse_suite("suite.json", text.encode(), overrides)


def faults(*elements, overrides=None, **envelope):
    with pytest.raises(SuiteError) as raised:
        parse(*elements, overrides=overrides, **envelope)
    return raised.value.faults


def test_a_suite_has_a_name_and_conditions_in_order(tmp_path):
    file = tmp_path / "night.json"
    file.write_text(json.dumps({"experiment_conditions": [element("b"), element("a")]}))
    suite = load_suite(file)
    assert (suite.name, [condition.name for condition in suite.conditions]) == ("night", ["b", "a"])
    assert [condition.index for condition in suite.conditions] == [0, 1]
    assert parse(element(), suite={"name": "x", "description": "y"}).description == "y"


def test_the_guides_example_with_comments_is_read():
    text = """{
      "experiment_conditions": [{
        "name": "domainA_to_BCD_draem_baseline",
        "description": "Domain A → B,C,D DRAEM 전이학습",
        "config": {
          "model_type": "draem",
          "source_domain": "domain_A",              // 훈련 도메인
          "target_domains": ["domain_B", "domain_C", "domain_D"],  // 평가 도메인들
          "max_epochs": 50, "learning_rate": 0.0001, "batch_size": 16
        }
      }]
    }"""
    (condition,) = parse_suite("guide.json", text.encode()).conditions
    assert condition.config.target_domains == ("domain_B", "domain_C", "domain_D")


def test_all_faults_come_at_once_with_their_places():
    text = """{
  "experiment_conditions": [
    {"name": "a", "config": {"model_type": "draem", "source_domain": "A",
      "batch_size": "16",
      "batch_sze": 4}},
    {"name": "a", "config": {"model_type": "patchcore", "source_domain": "A", "learning_rate": 0.1}},
  ],
  "sweep": 1
}"""
    with pytest.raises(SuiteError) as raised:
        parse_suite("f.json", text.encode())
    found = [(fault.line, fault.column, fault.path) for fault in raised.value.faults]
    assert found == [
        (4, 21, "experiment_conditions[0].config.batch_size"),
        (5, 7, "experiment_conditions[0].config.batch_sze"),
        (6, 14, "experiment_conditions[1].name"),
        (6, 79, "experiment_conditions[1].config.learning_rate"),
        (8, 3, "sweep"),
    ]
    assert raised.value.faults[1].hint == "did you mean batch_size?"
    assert 'f.json:4:21: experiment_conditions[0].config.batch_size: wrong type\n    found:   "16"' in str(raised.value)


def test_many_faults_are_shortened_for_people_and_kept_for_machines():
    found = faults(*(element(f"n{index}", {**DRAEM, "batch_size": 0}) for index in range(80)))
    assert len(found) == 80
    assert "30 more faults" in str(SuiteError(found))


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"experiment_conditions": []},
        {"experiment_conditions": {}},
        {"experiment_conditions": [3]},
        3,
        None,
    ],
)
def test_what_is_no_suite_is_a_fault(document):
    with pytest.raises(SuiteError):
        parse_suite("f.json", json.dumps(document).encode())


@pytest.mark.parametrize("name", ["", "  ", 3, None, "two\nlines", "x" * 501])
def test_bad_names_are_faults(name):
    assert faults(element(name))[0].path == "experiment_conditions[0].name"


@pytest.mark.parametrize("name", ["전이학습 #1", "a/b\\c", "..", "x" * 500])
def test_names_are_any_text(name):
    assert parse(element(name)).conditions[0].name == name


def test_defaults_lie_under_every_config_and_faults_point_at_them():
    suite = parse(element("a"), element("b", {**DRAEM, "seed": 7}), defaults={"seed": 5})
    assert [condition.config.seed for condition in suite.conditions] == [5, 7]
    (fault,) = faults(element("a"), element("b"), defaults={"seed": -1})
    assert fault.path == "defaults.seed"


def test_a_matrix_makes_one_condition_per_combination_in_order():
    matrix = {"seed": [1, 2], "image_size": ["32x32", [64, 64]]}
    suite = parse(element("m", matrix=matrix))
    assert [condition.name for condition in suite.conditions] == [
        "m_1_32x32",
        "m_1_64-64",
        "m_2_32x32",
        "m_2_64-64",
    ]
    assert [condition.config.seed for condition in suite.conditions] == [1, 1, 2, 2]
    assert [condition.index for condition in suite.conditions] == [0, 1, 2, 3]


def test_a_name_template_takes_the_values():
    suite = parse(element("{source_domain}/s{seed}", matrix={"seed": [1, 2]}))
    assert [condition.name for condition in suite.conditions] == ["domain_A/s1", "domain_A/s2"]


def test_names_made_by_a_matrix_must_differ():
    assert "used twice" in faults(element("{source_domain}", matrix={"seed": [1, 2]}))[0].message


def test_a_fault_in_a_matrix_is_told_once_at_its_value():
    found = faults(element("m", matrix={"seed": [1, -2], "image_size": ["32x32", "64x64"]}))
    assert [fault.path for fault in found] == ["experiment_conditions[0].matrix.seed[1]"]


@pytest.mark.parametrize("matrix", [{"seed": []}, {"seed": 3}, [1], {"model_type": ["draem"]}])
def test_bad_matrices_are_faults(matrix):
    assert ".matrix" in faults(element("m", matrix=matrix))[0].path


def test_a_matrix_without_end_is_refused():
    matrix = {f"k{index}": list(range(100)) for index in range(10)}
    assert "too many conditions" in faults(element("m", matrix=matrix))[0].message


def test_resources_are_merged_and_checked():
    suite = parse(
        element("a", resources={"memory": "64Gi"}),
        element("b", PATCHCORE),
        resources={"gpu_count": 1, "memory": "16Gi", "models": {"patchcore": {"gpu_count": 0, "cpu": "4"}}},
    )
    assert [condition.resources for condition in suite.conditions] == [
        {"gpu_count": 1, "memory": "64Gi"},
        {"gpu_count": 0, "memory": "16Gi", "cpu": "4"},
    ]
    found = faults(
        element(resources={"gpus": 1, "memory": "lots"}), resources={"gpu_count": -1, "models": {"dream": {}}}
    )
    assert {fault.path for fault in found} == {
        "experiment_conditions[0].resources.gpus",
        "experiment_conditions[0].resources.memory",
        "resources.gpu_count",
        "resources.models.dream",
    }


def test_conditions_of_one_training_ask_for_the_same_resources():
    """One Job of a cluster does them all: `render` and `submit` could not make it."""
    more = {**DRAEM, "target_domains": ["domain_C"]}
    (found,) = faults(element("a"), element("b", PATCHCORE), element("c", more, resources={"memory": "64Gi"}))
    assert found.path == "experiment_conditions[2].resources"
    assert "conditions 0 (a) and 2 (c) share one training" in found.message
    assert found.hint == "give both the same `resources`"
    parse(element("a", resources={"memory": "64Gi"}), element("c", more, resources={"memory": "64Gi"}))
    parse(element("a"), element("c", {**more, "seed": 7}, resources={"memory": "64Gi"}))


def test_weighted_average_without_weight_is_a_warning():
    sevnet = {**DRAEM, "model_type": "draem_sevnet", "score_combination": "weighted_average"}
    suite = parse(element("a", sevnet), element("b", {**sevnet, "severity_weight_for_combination": 0.5}))
    assert [condition.config.severity_weight_for_combination for condition in suite.conditions] == [0.5, 0.5]
    (warning,) = suite.warnings
    assert "condition 0" in warning
    assert "simple average" in warning


def test_overrides_reach_the_conditions_whose_model_uses_them():
    suite = parse(element("a"), element("b", PATCHCORE), overrides={"max_epochs": 2, "seed": 9})
    assert [condition.config.max_epochs for condition in suite.conditions] == [2, 1]
    assert [condition.config.seed for condition in suite.conditions] == [9, 9]
    assert [dict(condition.overrides) for condition in suite.conditions] == [
        {"max_epochs": 2, "seed": 9},
        {"seed": 9},
    ]
    assert suite.warnings == ("condition 1: --set max_epochs skipped, the model cannot use it",)


def test_an_override_wins_over_a_wrong_value_in_the_file():
    assert (
        parse(element("a", {**DRAEM, "batch_size": 0}), overrides={"batch_size": 4}).conditions[0].config.batch_size
        == 4
    )


@pytest.mark.parametrize(
    ("overrides", "hint"),
    [({"batchsize": 2}, "did you mean batch_size?"), ({"num_neighbors": 3}, None), ({"batch_size": 0}, None)],
)
def test_a_wrong_override_is_a_fault_of_the_command_line(overrides, hint):
    (fault,) = faults(element("a"), element("b"), overrides=overrides)
    assert (fault.file, fault.line, fault.path) == ("command line", None, f"--set {next(iter(overrides))}")
    assert fault.hint == hint


def test_the_model_cannot_be_overridden():
    assert "cannot be overridden" in faults(element("a"), overrides={"model_type": "patchcore"})[0].message


def test_limit_images_is_an_override_of_all(tmp_path):
    file = tmp_path / "s.json"
    file.write_text(json.dumps({"experiment_conditions": [element("a"), element("b", PATCHCORE)]}))
    assert [condition.config.limit_images for condition in load_suite(file, limit_images=7).conditions] == [
        7,
        7,
    ]


def test_set_takes_json_or_text():
    pairs = (
        "max_epochs=1",
        "image_size=[32, 96]",
        "optimizer=adam",
        "anomaly_source=dtd:/a=b",
        "pre_trained=false",
        "layers=[[[",
    )
    assert parse_overrides(pairs) == {
        "max_epochs": 1,
        "image_size": [32, 96],
        "optimizer": "adam",
        "anomaly_source": "dtd:/a=b",
        "pre_trained": False,
        "layers": "[[[",
    }


@pytest.mark.parametrize("pairs", [("max_epochs",), ("=3",), ("seed=1", "seed=2")])
def test_a_malformed_set_is_a_usage_error(pairs):
    with pytest.raises(UsageError):
        parse_overrides(pairs)


def test_a_missing_file_hints_at_its_neighbour(tmp_path):
    (tmp_path / "base.json").write_text("{}")
    with pytest.raises(MissingInputError) as raised:
        load_suite(tmp_path / "bse.json")
    assert raised.value.hint == "did you mean base.json?"
    with pytest.raises(MissingInputError):
        load_suite(tmp_path)
    with pytest.raises(MissingInputError, match="no such suite file"):
        load_suite(tmp_path / "no" / "folder.json")


def test_ten_thousand_clean_conditions_never_meet_the_slow_parser(monkeypatch):
    monkeypatch.setattr("crossad.conditions.jsonc._Parser", None)
    suite = parse(*(element(f"c{index}", {**DRAEM, "seed": index}) for index in range(10_000)))
    assert len({condition.config.seed for condition in suite.conditions}) == 10_000

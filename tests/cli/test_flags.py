"""Words are completed to what can be chosen, also the last of several."""

from lfl_cli.flags import complete, complete_last

CHOICES = {"none": "nowhere", "csv": "a table", "wandb": "W&B"}


def test_a_word_is_completed_with_its_line() -> None:
    assert complete(CHOICES)("") == list(CHOICES.items())
    assert complete(CHOICES)("w") == [("wandb", "W&B")]
    assert complete(CHOICES)("csv,") == []


def test_the_last_of_several_is_completed_to_one_that_is_not_there_yet() -> None:
    assert complete_last(CHOICES)("c") == [("csv", "a table")]
    assert complete_last(CHOICES)("csv,") == [("csv,none", "nowhere"), ("csv,wandb", "W&B")]
    assert complete_last(CHOICES)("wandb,c") == [("wandb,csv", "a table")]

"""Which part of a quiz's id is a region, and where that region is."""

import pytest

from quizd.cluster.region import Regions

ADDRESSES = {
    "eu": "https://eu.quiz.example.org",
    "eu-west": "https://west.quiz.example.org/",
    "us": "https://us.quiz.example.org/base/",
}


@pytest.mark.parametrize(
    ("address", "region"),
    [
        ("eu-quiz123", "eu"),
        ("us-quiz123", "us"),
        ("eu-west-quiz123", "eu-west"),
        ("eu-westquiz", "eu"),
        ("ap-quiz123", "ap"),
        ("eu", None),
        ("eu-", None),
        ("eu-west", "eu"),
        ("europe-1", None),
        ("EU-quiz123", None),
        ("quiz-eu-1", None),
        ("pre-algebra", None),
        ("123456", None),
        ("", None),
    ],
)
def test_only_configured_names_are_regions(address: str, region: str | None) -> None:
    """The longest configured name before a dash is the region, and nothing else is."""
    assert Regions("ap", ADDRESSES).of(address) == region


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("eu-quiz123", None),
        ("quiz123", None),
        ("123456", None),
        ("us-quiz123", "https://us.quiz.example.org/base"),
        ("eu-west-quiz123", "https://west.quiz.example.org"),
    ],
)
def test_other_regions_have_an_address(address: str, url: str | None) -> None:
    """What runs here is not elsewhere; what does not has a base URL without a slash."""
    assert Regions("eu", ADDRESSES).elsewhere(address) == url


def test_without_regions_every_quiz_runs_here() -> None:
    """With nothing configured no id is taken for one of another region."""
    regions = Regions("", {})
    assert regions.of("eu-quiz123") is None
    assert regions.elsewhere("eu-quiz123") is None


@pytest.mark.parametrize("name", ["EU", "-eu", "eu-", "e--u", "eu west", "eu.west"])
def test_a_name_that_no_id_could_carry_is_refused(name: str) -> None:
    """A region that could never be found in an id is an error of the configuration."""
    with pytest.raises(ValueError, match="no name for a region"):
        Regions("us", {name: "https://quiz.example.org"})
    with pytest.raises(ValueError, match="no name for a region"):
        Regions(name, ADDRESSES)


def test_an_address_for_the_own_region_changes_nothing() -> None:
    """One list of addresses may be given to all regions."""
    assert Regions("us", ADDRESSES).elsewhere("us-quiz123") is None

"""The splits of CIFAR-100: counts and superclasses as published, and images in the order of their classes."""

import pytest
import torch

import lfl
from lfl.data.splits import Split
from lfl.fewshot.cifar_fs import CIFAR_FS, CLASSES, FC100, SUPERCLASSES, by_class, cifar_fs, fc100
from lfl.fewshot.class_images import ImageEpisodes

PARENTS = {
    "aquatic mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food containers": "bottle bowl can cup plate",
    "fruit and vegetables": "apple mushroom orange pear sweet_pepper",
    "household electrical devices": "clock keyboard lamp telephone television",
    "household furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large carnivores": "bear leopard lion tiger wolf",
    "large man-made outdoor things": "bridge castle house road skyscraper",
    "large natural outdoor scenes": "cloud forest mountain plain sea",
    "large omnivores and herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium mammals": "fox porcupine possum raccoon skunk",
    "non-insect invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles 1": "bicycle bus motorcycle pickup_truck train",
    "vehicles 2": "lawn_mower rocket streetcar tank tractor",
}
"""The superclasses of CIFAR-100, from its own page."""


@pytest.mark.parametrize(
    ("split", "sizes"), [(CIFAR_FS, (64, 16, 20)), (FC100, (60, 20, 20))], ids=["cifar-fs", "fc100"]
)
def test_splits_share_no_class_and_leave_none_out(split: dict, sizes: tuple[int, ...]) -> None:
    assert tuple(len(split[part]) for part in ("train", "valid", "test")) == sizes
    names = [name for part in split.values() for name in part]
    assert len(set(names)) == 100
    assert sorted(names) == sorted(name for words in PARENTS.values() for name in words.split())


def test_labels_are_those_of_the_alphabet() -> None:
    assert list(CLASSES) == sorted(CLASSES)
    assert [CLASSES.index(name) for name in ("apple", "aquarium_fish", "baby", "worm")] == [0, 1, 2, 99]


def test_fc100_shares_no_superclass() -> None:
    for split, parents in SUPERCLASSES.items():
        assert {name: tuple(PARENTS[name].split()) for name in parents} == parents
        assert len(parents) == 4, split
    order = list(PARENTS)
    assert {order.index(name) for name in SUPERCLASSES["valid"]} == {8, 11, 13, 16}  # as the paper numbers them
    assert {order.index(name) for name in SUPERCLASSES["test"]} == {0, 7, 12, 14}
    parent_of = {name: parent for parent, words in PARENTS.items() for name in words.split()}
    found = {split: {parent_of[name] for name in names} for split, names in FC100.items()}
    assert len(found["train"]) == 12
    assert len(set().union(*found.values())) == sum(map(len, found.values())) == 20


def synthetic() -> tuple[Split, Split]:
    """One pixel for each image, which holds its class, its number in the class (of 256) and its partition."""
    generator = torch.Generator().manual_seed(0)
    parts = []
    for partition, count in enumerate((500, 100)):
        labels = torch.arange(100).repeat_interleave(count)
        numbers = torch.arange(count).repeat(100) % 256
        order = torch.randperm(len(labels), generator=generator)
        rows = torch.stack([labels, numbers, torch.full_like(labels, partition)], 1)[order]
        parts.append(Split(rows.float()[:, :, None, None], labels[order]))
    return parts[0], parts[1]


def test_images_are_put_into_the_order_of_their_classes() -> None:
    images = by_class(*synthetic(), "synthetic")
    assert images.counts == (600,) * 100
    assert images.pixels.shape == (60_000, 3, 1, 1)
    by_label = images.pixels.reshape(100, 600, 3)
    assert torch.equal(by_label[:, :, 0], torch.arange(100, dtype=torch.uint8)[:, None].expand(-1, 600))
    assert torch.equal(by_label[:, :, 2].sum(1), torch.full((100,), 100))
    source = ImageEpisodes(
        "cifar-fs", images, {part: tuple(map(CLASSES.index, names)) for part, names in CIFAR_FS.items()}, 5, 5, 15
    )
    for split, names in CIFAR_FS.items():
        drawn = source.draw(split, 0, 50)
        labels = (drawn.x[:, :, 0, 0, 0] * 255).round().long()
        assert {CLASSES[label] for label in labels.unique().tolist()} <= set(names)
        assert torch.equal(labels.reshape(50, 5, 5).amin(2), labels.reshape(50, 5, 5).amax(2))


@pytest.mark.parametrize("damage", ["fewer", "more classes"])
def test_other_data_are_named(damage: str) -> None:
    train, test = synthetic()
    other = Split(test.x[:-1], test.y[:-1]) if damage == "fewer" else Split(test.x, test.y + 1)
    with pytest.raises(lfl.UserError, match=r"^here has classes of .*expected 600 of each of 100 classes"):
        by_class(train, other, "here")


@pytest.mark.parametrize("source", [cifar_fs, fc100])
def test_without_a_network_nothing_half_written_is_left(source, tmp_path, monkeypatch) -> None:
    torchvision = pytest.importorskip(
        "torchvision", reason="torchvision does not import beside this torch", exc_type=(ImportError, RuntimeError)
    )
    monkeypatch.setattr(torchvision.datasets.CIFAR100, "url", "http://127.0.0.1:9/cifar.tar.gz")
    with pytest.raises(lfl.Failure, match=r"could not download cifar100 .*Check the network"):
        source(tmp_path, ways=5, shots=1, queries=15)
    assert list(tmp_path.iterdir()) == []

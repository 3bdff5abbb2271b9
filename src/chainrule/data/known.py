"""The published data sets: their files, lengths, checksums, and where they are published. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_CHAR_RNN = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/"
)
_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"  # https is not offered; the checksums guard it


@dataclass(frozen=True)
class Download:
    """A file as it is published.

    Args:
        url: Where.
        name: Under which name it is kept.
        size: In bytes.
        sha256: Of its bytes; None where nobody says it.
    """

    url: str
    name: str
    size: int
    sha256: str | None


@dataclass(frozen=True)
class Known:
    """A file of a data set, whoever packed it.

    Args:
        name: File name without `.gz`.
        size: Bytes of the content, unpacked.
        sha256: Of the content, unpacked; packers differ, the content may not.
        download: The published file that holds it, if there is one.
        folder: The set in whose folder it lies, where that is another one.
    """

    name: str
    size: int
    sha256: str
    download: Download | None = None
    folder: str | None = None


@dataclass(frozen=True)
class KnownSet:
    """A data set of which every byte is known.

    Args:
        files: Its files.
        source: Who made it and where it stands, for messages; None where docs/data.md says how the files are made.
    """

    files: tuple[Known, ...]
    source: str | None

    @property
    def names(self) -> list[str]:
        """Names of the files."""
        return [file.name for file in self.files]


def _packed(base: str, name: str, size: int, sha256: str, packed_size: int, packed_sha256: str) -> Known:
    return Known(name, size, sha256, Download(f"{base}{name}.gz", f"{name}.gz", packed_size, packed_sha256))


CIFAR10_ARCHIVE = Download(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "cifar-10-binary.tar.gz",
    170_052_171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)

KNOWN: Mapping[str, KnownSet] = {
    "mnist": KnownSet(
        (
            _packed(
                _MNIST,
                "train-images-idx3-ubyte",
                47_040_016,
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                9_912_422,
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            ),
            _packed(
                _MNIST,
                "train-labels-idx1-ubyte",
                60_008,
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                28_881,
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            ),
            _packed(
                _MNIST,
                "t10k-images-idx3-ubyte",
                7_840_016,
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                1_648_877,
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            ),
            _packed(
                _MNIST,
                "t10k-labels-idx1-ubyte",
                10_008,
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                4_542,
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
        ),
        f"LeCun, Cortes, Burges: {_MNIST}",
    ),
    "fashion-mnist": KnownSet(
        (
            _packed(
                _FASHION,
                "train-images-idx3-ubyte",
                47_040_016,
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                26_421_880,
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            ),
            _packed(
                _FASHION,
                "train-labels-idx1-ubyte",
                60_008,
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                29_515,
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            ),
            _packed(
                _FASHION,
                "t10k-images-idx3-ubyte",
                7_840_016,
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                4_422_102,
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            ),
            _packed(
                _FASHION,
                "t10k-labels-idx1-ubyte",
                10_008,
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                5_148,
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
        ),
        f"Zalando Research: {_FASHION}",
    ),
    "cifar10": KnownSet(
        tuple(
            Known(name, 30_730_000, sha256, CIFAR10_ARCHIVE)
            for name, sha256 in (
                ("data_batch_1.bin", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
                ("data_batch_2.bin", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
                ("data_batch_3.bin", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
                ("data_batch_4.bin", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
                ("data_batch_5.bin", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
                ("test_batch.bin", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
            )
        ),
        f"Krizhevsky: {CIFAR10_ARCHIVE.url}",
    ),
    "tinyshakespeare": KnownSet(
        (
            Known(
                "input.txt",
                1_115_394,
                "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
                Download(
                    f"{_CHAR_RNN}input.txt",
                    "input.txt",
                    1_115_394,
                    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
                ),
            ),
        ),
        f"Karpathy, char-rnn: {_CHAR_RNN}input.txt",
    ),
    "multi30k": KnownSet(
        tuple(
            Known(name, size, sha256)
            for name, size, sha256 in (
                ("train.en", 1_801_238, "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6"),
                ("train.de", 2_110_398, "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72"),
                ("train.fr", 2_111_303, "5925a3c18f1587b6b54b87743106e6e8ab93618edb6f65d19eac0621f853a10d"),
                ("val.en", 63_297, "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227"),
                ("val.de", 75_981, "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660"),
                ("val.fr", 73_924, "5304e444d842e962b2dda4d816b70b22a1765b15401642b7ca37a67477e708dc"),
                ("test_2016_flickr.en", 62_076, "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182"),
                ("test_2016_flickr.de", 70_649, "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16"),
                ("test_2016_flickr.fr", 72_261, "cb3160d69b002bb638e66cc7612fcd56cb0af82eadc9c142dedc438afb885ef6"),
            )
        ),
        "Elliott et al., for research only: https://github.com/multi30k/dataset, data/task1/raw",
    ),
    "tatoeba-eng-fra": KnownSet(
        (
            Known(
                "eng-fra.tsv",
                562_864,
                "d952b56a181da5270b7bb4ded3f3bbe61e67a9b1de0e0fbc1d46438c71fb55a7",
            ),
        ),
        "Tatoeba, selected by https://www.manythings.org/anki: tab-separated English, French, attribution",
    ),
    "sentiment-sentences": KnownSet(
        (
            Known(
                "amazon_cells_labelled.txt",
                58_226,
                "47003fc0a0d4840b00e96e715b6189bad09e7443a3da41c4cbe12ffc79f86ae3",
            ),
            Known("imdb_labelled.txt", 85_187, "c662b9360c1652babb990d164835af12aa105db7991f1fdb19038115f0e93de8"),
            Known("yelp_labelled.txt", 61_293, "b565b1eeb864d76842588c3a256731b08bcdd9faf6de507bfe211a96f8b81912"),
        ),
        "Kotzias et al., UCI Machine Learning Repository, https://archive.ics.uci.edu/dataset/331",
    ),
    "coco-open-captions": KnownSet(
        (
            Known(
                "images.zip",
                16_462_853,
                "7336a254d71348ea9b1d804d7dbfc330ef1a0049166d68331c3044efc97a7bfc",
                folder="coco-open",
            ),
            Known(
                "captions.json",
                59_674,
                "770f3ecc75d088b781c952ad62497562d1f0080165f78f0673f3b13aeb9eef84",
                folder="coco-open",
            ),
        ),
        None,
    ),
    "imagenet-samples": KnownSet(
        (
            Known("images.zip", 4_030_823, "f331426552aad7927cb158f24aaa3bec18f79be146de67626d69089e8ebb2972"),
            Known("labels.json", 5_074, "1a460bb3c475be51d9f37a364532eaf5cbae2dabae244fd3df150ca579351d10"),
            Known(
                "imagenet_class_index.json",
                62_040,
                "e2270a2909e862186e8d47a6fb3502f9be80814b6e8897e5bab36962ea10caef",
                folder="imagenet-labels",
            ),
        ),
        None,
    ),
}


def folder_name(name: str) -> str:
    """Return the name of the folder that holds a data set.

    Example:
        >>> folder_name("fashion-mnist")
        'fashion_mnist'
    """
    return name.replace("-", "_")

"""What the tests of the module require of thumbnails, required of the gateway."""

# ruff: noqa: F401, RUF100
from tests.homeserver.test_thumbnails import (
    film,
    test_animated_thumbnail,
    test_entity_tags_of_sizes_differ,
    test_media_without_a_thumbnail,
    test_range_of_a_thumbnail,
    test_thumbnail_equals_synapses_own,
)

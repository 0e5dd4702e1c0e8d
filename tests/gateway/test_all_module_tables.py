"""What the tests of the module require of minting, bundles, preflights and thumbnails, required of the gateway."""

# ruff: noqa: F401, RUF100
import pytest

from tests.homeserver.test_bundle import (
    test_bad_entries_fail_alone,
    test_bundle_does_not_wait_for_uploads,
    test_bundle_requires_an_access_token,
    test_content_type_of_an_uploader_does_not_lengthen_a_head,
    test_empty_bundle,
    test_headers_of_a_bundle,
    test_malformed_bundle_request,
    test_parts_equal_synapses_own_responses,
)
from tests.homeserver.test_minting import (
    test_altered_probe_is_refused,
    test_empty_batch,
    test_expiry_in_the_response_is_that_of_the_link,
    test_fresh_link_is_in_no_cache,
    test_largest_batch_and_one_more,
    test_link_reveals_no_user,
    test_link_stays_the_same_for_a_session_and_differs_between_sessions,
    test_malformed_body,
    test_malformed_download,
    test_malformed_entry,
    test_malformed_media,
    test_malformed_thumbnail,
    test_minted_links_are_not_cached,
    test_minting_requires_an_access_token,
    test_minting_sends_no_request_to_other_servers,
    test_probe_is_a_link_to_no_media,
    test_single_link,
    test_single_thumbnail_link,
    test_token_of_a_session_that_has_ended,
)
from tests.homeserver.test_preflights import (
    test_pages_of_other_origins_may_read_when_to_ask_again,
    test_preflights_of_this_module_are_cached,
)
from tests.homeserver.test_thumbnails import (
    film,
    test_animated_thumbnail,
    test_entity_tags_of_sizes_differ,
    test_media_without_a_thumbnail,
    test_range_of_a_thumbnail,
    test_thumbnail_equals_synapses_own,
)

pytestmark = pytest.mark.full_matrix

"""What the tests of the module require of links, required of the gateway."""

# ruff: noqa: F401, RUF100
from tests.homeserver.test_refused_links import (
    other,
    test_altered_link,
    test_link_grants_nothing_but_reading,
    test_other_spelling_of_the_path_is_refused,
    test_token_does_not_authorize_an_invalid_link,
)
from tests.homeserver.test_signed_links import (
    film,
    test_connection_is_reused_after_a_long_response,
    test_download_link_is_an_attachment,
    test_entity_tag_is_strong_and_unique,
    test_head_equals_get,
    test_headers_equal_those_of_synapses_own_download,
    test_matching_if_none_match_is_not_modified,
    test_matching_if_range_gets_the_range,
    test_media_is_cached_privately_until_the_link_expires,
    test_multiple_or_malformed_ranges_get_the_whole,
    test_other_if_none_match_gets_the_whole,
    test_other_if_range_gets_the_whole,
    test_protective_headers,
    test_range,
    test_range_of_an_empty_file,
    test_responses_with_media_are_cached_and_no_others,
    test_unsafe_file_names_are_sanitized,
    test_unsatisfiable_range,
    test_unsatisfiable_range_is_not_cached,
    test_what_a_browser_would_run_is_saved,
    test_whole_media,
    url,
    whole,
)

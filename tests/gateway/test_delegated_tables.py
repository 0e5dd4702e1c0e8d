"""What the tests of the module require of links that pages sign, required of the gateway."""

# ruff: noqa: F401, RUF100
from tests.homeserver.test_delegated_links import (
    other_key,
    test_delegated_link_answers_as_a_link_does,
    test_file_name_of_a_download,
    test_forged_delegated_link,
    test_key_expires_and_is_renewed_when_links_are,
    test_key_is_the_same_in_both_answers_and_for_a_whole_bucket,
    test_key_needs_an_access_token,
    test_keys_of_sessions_differ,
    test_revision_is_another_url_of_the_same_media,
)

"""Where things are that every page has."""

from playwright.sync_api import Locator, Page


def nav(page: Page, name: str) -> Locator:
    """The link to another page, in the sidebar."""
    return page.get_by_test_id("stSidebar").get_by_role("link", name=name, exact=True)

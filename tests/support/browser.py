"""Chromium without a screen. Needs chromium and chromedriver in PATH.

    with Browser(directory) as driver:      a Selenium driver; the profile is kept in |directory|
"""
import contextlib
import shutil

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--window-size=1100,800"]


@contextlib.contextmanager
def Browser(directory, *flags):
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert chromium and driver, "the packages chromium and chromium-driver are not installed"
    options = Options()
    options.binary_location = chromium
    for flag in [*FLAGS, *flags]:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={directory / 'profile'}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    one = webdriver.Chrome(service=Service(driver), options=options)
    one.set_page_load_timeout(30)
    try:
        yield one
    finally:
        one.quit()


def severe(driver, allowed=()):
    """What the console complains of."""
    return [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"
            and not any(word in entry["message"] for word in allowed)]

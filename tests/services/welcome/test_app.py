"""The first service greets and echoes."""

from services.welcome.app import WelcomeSettings, build


async def test_every_path_is_greeted_and_echoed(running):
    async with running(build(WelcomeSettings(greeting="Hi."))) as client:
        for path in ("/", "/hello", "/a/b%20c"):
            answer = await client.get(path)
            assert (answer.status_code, answer.text) == (
                200,
                f"Hi.\nYou asked for {path.replace('%20', ' ')}\n",
            )
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            assert answer.headers["x-served-by"] == "welcome-8080"  # which of several instances it was


async def test_the_greeting_is_a_setting(monkeypatch):
    monkeypatch.setenv("WELCOME_GREETING", "Ahoj")
    assert WelcomeSettings().greeting == "Ahoj"


async def test_health_is_not_a_path_like_others(running):
    async with running(build(WelcomeSettings())) as client:
        health = (await client.get("/health")).json()
    assert (health["status"], health["service"], health["instance"]) == ("ok", "welcome", "welcome-8080")

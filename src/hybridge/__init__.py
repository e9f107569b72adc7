"""One endpoint that speaks OpenAI, Anthropic and Gemini, in front of every model provider."""

__version__ = "0.1.0"

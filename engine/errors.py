"""The errors that a user may meet. Each says what is wrong and what to do about it."""


class EngineError(Exception):
    """Anything Visema refuses; its text is shown to the user without a stack trace."""


class ConfigError(EngineError):
    """A key of config.toml (or of --set) is wrong; names the key and the allowed values."""


class MediaError(EngineError):
    """Sound or picture that cannot be used: not audio, empty, truncated, wrong numbers."""


class DeviceError(EngineError):
    """A microphone, camera, GPU or optional library is missing; says what to install."""


class WeightsError(EngineError):
    """A checkpoint that does not fit; names what it was made for and what was asked."""


class PluginError(EngineError):
    """No such plugin, or one that breaks the stage contract."""


class SessionError(EngineError):
    """A session cannot be opened or go on: too many sessions, bad SDP, vanished peer."""

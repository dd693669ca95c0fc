"""The one exception family of tinydiff. Plain mistakes stay ValueError and TypeError."""


class Error(Exception):
    """Root of every error that tinydiff names itself."""


class DeviceError(Error):
    """An array is on the wrong device, or the device cannot be used."""


class GraphError(Error):
    """The tape cannot do what was asked: freed, changed in place, not a scalar."""


class GradcheckError(Error):
    """An analytic gradient differs from the numeric one."""


class DatasetNotFound(Error):
    """A dataset is not on this machine; the message lists where it was looked for."""


class DataError(Error, ValueError):
    """A file of data is damaged, or holds something else than what was asked for."""


class CheckpointError(Error):
    """A checkpoint is damaged, from another version, or does not fit the model."""


class ConfigError(Error):
    """A configuration has an unknown key or an impossible value."""

"""The project's commands on Modal (modal.com): `launch.modal.app`."""

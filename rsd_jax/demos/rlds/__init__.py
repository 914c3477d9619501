"""LIBERO's RLDS builds (``libero_*_no_noops``), read without TensorFlow.

tensorflow-datasets stores an episode as one ``tf.train.Example`` in a TFRecord file: a flat map from names such as
``steps/observation/image`` to the values of all steps, one after the other. ``features.json`` beside the files gives
their types and shapes, ``dataset_info.json`` the number of records in each file.

JPEG images are decoded exactly; TensorFlow's default is a faster transform, whose pixels differ by a level on average.
"""

from rsd_jax.demos.rlds.dataset import RldsDemos

__all__ = ["RldsDemos"]

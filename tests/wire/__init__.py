"""The wire: signatures, envelopes and shapes, with the clients that people use."""

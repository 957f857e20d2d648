"""What a biLM's LSTMs start from: zeros, what the last batch left, or what `warm_up` kept."""

import tensorflow as tf


class KeepsStates:
    """Mixin of `BiLM`, whose options, stacks and states it uses."""

    def starts(self, batch) -> dict[str, list] | None:
        """The states that each layer of each direction starts from; None for zeros."""
        if self._carried is not None:
            flat = self._carried.begin(batch)
        elif self.initial_state == "warm":
            flat = [
                tf.tile(tf.convert_to_tensor(s)[tf.newaxis], [batch, 1]) for s in self.warm_states
            ]
        else:
            return None
        return self._packed(flat)

    def _packed(self, flat: list) -> dict[str, list]:
        pairs = [flat[i : i + 2] for i in range(0, len(flat), 2)]
        layers = self.num_layers
        return {
            side: pairs[i * layers : (i + 1) * layers] for i, side in enumerate(self.directions)
        }

    @property
    def carried_variables(self) -> list:
        """Where a `stateful` model keeps its states; they are no weights."""
        return [] if self._carried is None else self._carried.variables

    def reset_state(self) -> None:
        """Let all rows of a `stateful` model start from zeros again."""
        if self._carried is not None:
            self._carried.reset()

    reset_states = reset_state

    def warm_up(self, ids) -> None:
        """Read some sentences one after the other and let every sentence start from where they ended.

        A language model meets a sentence in running text, never from zeros, and the first words
        suffer from such a start (bilm-tf#176). States that other sentences left are a better one, and
        one and the same for all keeps results independent of what was read before.

        Args:
            ids: As for a call; each row is read with the states that the one before it left.

        Raises:
            ValueError: For a model without `initial_state="warm"`.
        """
        if self.initial_state != "warm":
            raise ValueError(
                "`warm_up` keeps states for models with initial_state='warm'. Received: "
                f"initial_state={self.initial_state!r}"
            )
        if not self.built:
            self.build()
        ids, valid = self.with_boundaries(self.check(ids))
        tokens = self.token_encoder.encode_unique(ids)
        states = [tf.zeros((1, s.shape[0]), self.compute_dtype) for s in self.warm_states]
        for row in range(ids.shape[0]):
            starts, ends = self._packed(states), []
            for side, stack in self.stacks.items():
                _, last = stack(tokens[row : row + 1], starts[side], mask=valid[row : row + 1])
                ends += tf.nest.flatten(last)
            states = ends
        for variable, value in zip(self.warm_states, states, strict=True):
            variable.assign(value[0])

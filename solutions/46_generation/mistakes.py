"""46 · Wrong answers that people really give, each with its sentence. Those at the end of each half have right values
and a wrong program."""

import jax
import jax.numpy as jnp

from grader.course import mistake

# The right programs in small pieces; most mistakes are one of them with a piece exchanged.


def _feed(step, state, prompt):
    return jax.lax.scan(lambda carry, token: (step(carry[0], token), None), step(state, prompt[0]), prompt[1:])[0]


def _divide(logits, temperature):
    return logits.astype(jnp.float32) / jnp.where(temperature == 0, 1, temperature)


def _draw(key, logits, temperature):
    drawn = jax.random.categorical(key, _divide(logits, temperature))
    return jnp.where(temperature == 0, jnp.argmax(logits), drawn).astype(jnp.int32)


def _write(
    step,
    state,
    prompt,
    num_tokens,
    key,
    temperature,
    eos=None,
    *,
    feed=_feed,
    draw=_draw,
    keys=jax.random.split,
    took=lambda before, after: after,
    fed=lambda token, logits: token,
    is_over=lambda text, place, eos: (text == eos).any(),
    behind=None,
    scan=jax.lax.scan,
):
    """`took` chooses between the states before and after a step, `fed` between what was drawn and what may be taken
    from the logits, `is_over` tells from all new tokens whether the text has ended, and `behind` is what stands
    there."""
    keys = keys(key, num_tokens)
    state, logits = feed(step, state, prompt)
    first = draw(keys[0], logits, temperature)
    text = jnp.full(num_tokens, -1, jnp.int32).at[0].set(first)

    def one(carry, turn):
        state, token, text = carry
        place, key = turn
        after, logits = step(state, token)
        drawn = draw(key, logits, temperature)
        if eos is not None:
            drawn = jnp.where(is_over(text, place, eos), eos if behind is None else behind, drawn)
        return (took(state, after), fed(drawn, logits), text.at[place].set(drawn)), None

    (_, _, text), _ = scan(one, (state, fed(first, logits), text), (jnp.arange(1, num_tokens), keys[1:]))
    return text


def _by_hand(body, carry, xs):
    for place in range(len(xs[0])):
        carry, _ = body(carry, jax.tree.map(lambda x, place=place: x[place], xs))
    return carry, None


# --- generate: the prompt and the state


@mistake("generate")
def last_token_of_the_prompt_fed_twice(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """The last token of the prompt is fed in twice: once with the prompt, and once more as the first token of the loop
    that writes. The logits that came with it are already those of the first new token: draw from them before the loop
    takes its first step."""
    return ref(step, state, jnp.append(prompt, prompt[-1]), num_tokens, key, temperature, eos)


@mistake("generate")
def last_token_of_the_prompt_lost(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """The last token of the prompt is never fed in: the loop over the prompt ends one token early, and the first new
    token is drawn from logits that do not know it. Feed in all P tokens, and draw from the logits of the last."""
    state, logits = jax.lax.scan(step, state, prompt[:-1])
    return _write(
        step, state, prompt, num_tokens, key, temperature, eos, feed=lambda step, state, prompt: (state, logits[-1])
    )


@mistake("generate")
def only_the_last_token_of_the_prompt_fed(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """Of the prompt only the last token is fed in. That would be enough for a table of bigrams; a step with a state has
    to see every token, in order, and hands the state on."""
    return ref(step, state, prompt[-1:], num_tokens, key, temperature, eos)


@mistake("generate")
def state_of_the_prompt_dropped(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """The prompt gives the first logits, and its state is dropped: writing begins from the state that stood before the
    prompt. Go on with the state that came back with the logits."""
    return _write(
        step,
        state,
        prompt,
        num_tokens,
        key,
        temperature,
        eos,
        feed=lambda step, state, prompt: (state, _feed(step, state, prompt)[1]),
    )


@mistake("generate")
def state_not_carried_between_tokens(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """Each new token is fed into the state that stood behind the prompt: the state that a step returns is not handed to
    the next. A text then depends on its last token only. Carry state and token together from turn to turn."""
    return _write(step, state, prompt, num_tokens, key, temperature, eos, took=lambda before, after: before)


# --- generate: what comes out


@mistake("generate")
def begins_with_the_last_token_of_the_prompt(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """The last token of the prompt stands first, and the last new token is missing: what is returned in each turn is
    the token that was fed in, not the one that was drawn. Only new tokens come out, num_tokens of them."""
    return jnp.append(prompt[-1:], ref(step, state, prompt, num_tokens, key, temperature, eos)[:-1])


@mistake("generate")
def first_new_token_missing(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """The first new token is missing, and one too many stands at the end. It is drawn from the last logits of the
    prompt, before the loop begins, and has to be put in front of what the loop gives."""
    return ref(step, state, prompt, num_tokens + 1, key, temperature, eos)[1:]


@mistake("generate")
def prompt_in_the_output(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """The prompt stands in front of the new tokens. Libraries often return the whole text; here only the new tokens are
    asked for."""
    return jnp.append(prompt, ref(step, state, prompt, num_tokens, key, temperature, eos))


# --- generate: the end of the text


@mistake("generate")
def text_never_ends(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """The end of text does nothing: after it tokens are drawn as before. The length is fixed, so the rest is filled:
    once `eos` has been drawn, put `eos` in the place of whatever is drawn later."""
    return ref(step, state, prompt, num_tokens, key, temperature)


@mistake("generate")
def end_of_text_holds_for_one_token(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """The end of text holds for one token: each token asks only whether the one before it was drawn as `eos`, and what
    is drawn behind the end makes it forget. Ask what was put out, or carry a flag that stays true."""
    keys = jax.random.split(key, num_tokens)
    state, logits = _feed(step, state, prompt)
    first = _draw(keys[0], logits, temperature)

    def one(carry, key):
        state, token = carry
        state, logits = step(state, token)
        drawn = _draw(key, logits, temperature)
        return (state, drawn), drawn if eos is None else jnp.where(token == eos, eos, drawn)

    return jnp.append(first[None], jax.lax.scan(one, (state, first), keys[1:])[1])


@mistake("generate", first=("in time",))
def end_of_text_one_token_late(
    ref, step, state, prompt, num_tokens, key, temperature, eos=None, *, first="late as well"
):
    """The end of text takes hold one token late: the flag is set from the token before, so one more token is drawn
    after `eos`. Set it from the token that has just been drawn."""

    def is_over(text, place, eos):
        asked = jnp.arange(num_tokens) < place - 1
        return ((text == eos) & (asked.at[0].set(True) if first == "in time" else asked)).any()

    return _write(step, state, prompt, num_tokens, key, temperature, eos, is_over=is_over)


@mistake("generate")
def zeros_after_the_end(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """After the end of text stand zeros. Zero is a token like any other, and a reader cannot tell it from text: every
    later token is `eos`."""
    return _write(step, state, prompt, num_tokens, key, temperature, eos, behind=0)


@mistake("generate")
def end_in_the_prompt_counts(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """An end of text in the prompt ends the new text before it begins. A prompt may hold several texts, each with its
    end; only an `eos` that was drawn counts."""
    return _write(
        step,
        state,
        prompt,
        num_tokens,
        key,
        temperature,
        eos,
        draw=lambda key, logits, temperature: (
            _draw(key, logits, temperature)
            if eos is None
            else jnp.where(prompt[-1] == eos, eos, _draw(key, logits, temperature)).astype(jnp.int32)
        ),
    )


@mistake("generate")
def end_of_text_0_taken_for_none(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """`if eos:` is false for token 0, as for None, so that a text that ends with token 0 never ends. Ask `if eos is not
    None:`."""
    return ref(step, state, prompt, num_tokens, key, temperature, eos or None)


# --- generate: the draw


@mistake("generate")
def largest_logit_at_any_temperature(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """Nothing is drawn: the largest logit is taken at any temperature. That is right for temperature 0 only; a positive
    one draws from `softmax(logits / temperature)`, as with `jax.random.categorical`."""
    return ref(step, state, prompt, num_tokens, key, 0 * temperature, eos)


@mistake("generate")
def temperature_ignored(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """The logits are drawn from as they are, whatever the temperature. Divide them by it: below 1 makes likely tokens
    likelier, above 1 evens them out."""
    return ref(step, state, prompt, num_tokens, key, jnp.where(temperature == 0, 0.0, 1.0), eos)


@mistake("generate")
def multiplied_by_the_temperature(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """The logits are multiplied by the temperature, so that a high one sharpens and a low one evens out. It is the
    other way round: divide."""
    inverse = jnp.where(temperature == 0, 0.0, 1 / jnp.where(temperature == 0, 1, temperature))
    return ref(step, state, prompt, num_tokens, key, inverse, eos)


@mistake("generate")
def temperature_for_the_first_token_only(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """The first new token is drawn at the temperature, and the others at temperature 1: the draw is written twice,
    before the loop and in it, and only one of the two divides. Write it once, as a function."""
    keys = jax.random.split(key, num_tokens)
    state, logits = _feed(step, state, prompt)
    first = _draw(keys[0], logits, temperature)

    def one(carry, key):
        state, token = carry
        state, logits = step(state, token)
        drawn = _draw(key, logits, jnp.where(temperature == 0, 0.0, 1.0))
        drawn = drawn if eos is None else jnp.where(token == eos, eos, drawn)
        return (state, drawn), drawn

    return jnp.append(first[None], jax.lax.scan(one, (state, first), keys[1:])[1])


@mistake("generate")
def probabilities_drawn_as_logits(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """`jax.random.categorical` gets probabilities. It takes logits, and applies a softmax to whatever it gets: numbers
    between 0 and 1 are nearly equal as logits, and everything is about as likely as everything else. Hand it logits /
    temperature."""

    def draw(key, logits, temperature):
        shares = jax.nn.softmax(_divide(logits, temperature))
        drawn = jax.random.categorical(key, shares)
        return jnp.where(temperature == 0, jnp.argmax(logits), drawn).astype(jnp.int32)

    return _write(step, state, prompt, num_tokens, key, temperature, eos, draw=draw)


@mistake("generate")
def one_key_for_all_draws(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """Every token is drawn with the same key. The same key gives the same noise, so that a token that was lucky once is
    lucky each time, and the text repeats itself. Split the key into one for each token, or split it anew in each
    turn."""
    return _write(
        step, state, prompt, num_tokens, key, temperature, eos, keys=lambda key, count: jnp.stack([key] * count)
    )


@mistake("generate")
def first_key_used_twice(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """The first two tokens are drawn with one key: the draw before the loop takes a key that the loop's first turn
    takes again. Count the keys: one before the loop, and num_tokens - 1 others in it."""

    def keys(key, count):
        several = jax.random.split(key, count)
        return jnp.append(several[:1], several[: count - 1])

    return _write(step, state, prompt, num_tokens, key, temperature, eos, keys=keys)


@mistake("generate")
def a_key_of_its_own(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """The draws come from a key that is made inside, so that every call writes the same text, whatever key it gets.
    Draw with the `key` that was passed."""
    return ref(step, state, prompt, num_tokens, jax.random.key(0), temperature, eos)


@mistake("generate")
def likeliest_token_fed_back(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """One token is put out and another fed in: the text shows what was drawn, and the step gets the token of the
    largest logit. What follows then belongs to a text that nobody sees. Feed in what was drawn."""
    return _write(
        step,
        state,
        prompt,
        num_tokens,
        key,
        temperature,
        eos,
        fed=lambda token, logits: jnp.argmax(logits).astype(jnp.int32),
    )


@mistake("generate")
def divided_by_a_temperature_of_0(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """At temperature 0 the logits are divided by 0: those above 0 are all infinite, and the first of them is taken,
    whichever is the largest. Take the largest logit itself there, chosen with `jnp.where`."""

    def draw(key, logits, temperature):
        return jax.random.categorical(key, logits / temperature).astype(jnp.int32)

    return _write(step, state, prompt, num_tokens, key, temperature, eos, draw=draw)


@mistake("generate")
def a_small_number_for_temperature_0(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """A small number stands in for temperature 0. Among equal logits the draw then still decides, so the key matters;
    with temperature 0 it is the lowest index of the equals, whatever the key. Take the largest logit itself there,
    chosen with `jnp.where`."""
    return ref(step, state, prompt, num_tokens, key, jnp.maximum(temperature, 1e-6), eos)


@mistake("generate")
def last_of_equal_logits(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """Among equal logits the last is taken, as the end of an `argsort` gives it. The lowest index is asked for, which
    is what `jnp.argmax` gives."""

    def draw(key, logits, temperature):
        last = len(logits) - 1 - jnp.argmax(logits[::-1])
        return jnp.where(temperature == 0, last, _draw(key, logits, temperature)).astype(jnp.int32)

    return _write(step, state, prompt, num_tokens, key, temperature, eos, draw=draw)


# --- generate: the program


@mistake("generate")
def step_taken_after_the_last_token(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """The text is right, and the step is taken once too often: the last token is fed in, and its logits are thrown
    away. Each turn draws and then steps. Draw the first token before the loop, and let each turn step and then draw."""
    state, logits = _feed(step, state, prompt)

    def turn(carry, key):
        state, logits, is_over = carry
        token = _draw(key, logits, temperature)
        if eos is not None:
            token = jnp.where(is_over, eos, token)
            is_over |= token == eos
        return (*step(state, token), is_over), token

    return jax.lax.scan(turn, (state, logits, False), jax.random.split(key, num_tokens))[1]


@mistake("generate")
def no_step_after_the_end(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """The text is right, and no step is taken after its end. Of a batch under `vmap` all sequences go on until the last
    has ended, so that nothing is saved, and how much work a call is depends on its values. Here the number of steps is
    fixed: P + num_tokens - 1, after `eos` too."""
    keys = jax.random.split(key, num_tokens)
    state, logits = _feed(step, state, prompt)
    first = _draw(keys[0], logits, temperature)

    def one(carry, key):
        def go_on(state, logits, token):
            state, logits = step(state, token)
            return state, logits, _draw(key, logits, temperature)

        def stay(state, logits, token):
            return state, logits, token

        *_, token = carry
        carry = go_on(*carry) if eos is None else jax.lax.cond(token == eos, stay, go_on, *carry)
        return carry, carry[-1]

    return jnp.append(first[None], jax.lax.scan(one, (state, logits, first), keys[1:])[1])


@mistake("generate")
def asks_for_temperature_0_in_python(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """A Python `if` asks whether the temperature is 0. Under `jit` its value is not known while the program is traced,
    so one program has to hold both ways: compute both, and choose with `jnp.where`, or branch with `jax.lax.cond`."""
    if temperature == 0:
        return ref(step, state, prompt, num_tokens, key, jnp.float32(0), eos)
    return ref(step, state, prompt, num_tokens, key, temperature, eos)


@mistake("generate")
def prompt_fed_by_a_python_loop(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """A Python loop feeds in the prompt. It is unrolled when it is traced: the program holds the step once for each
    token of the prompt, and a prompt of another length takes as long to compile as it is long. Loop with
    `jax.lax.scan`."""

    def feed(step, state, prompt):
        for token in prompt:
            state, logits = step(state, token)
        return state, logits

    return _write(step, state, prompt, num_tokens, key, temperature, eos, feed=feed)


@mistake("generate")
def text_written_by_a_python_loop(ref, step, state, prompt, num_tokens, key, temperature, eos=None):
    """A Python loop writes the text. It is unrolled when it is traced: the program holds the step once for each new
    token. Loop with `jax.lax.scan`, which carries the state and the last token."""
    return _write(step, state, prompt, num_tokens, key, temperature, eos, scan=_by_hand)


# --- beam_search: the right program in pieces


def _shares(logits):
    return jax.nn.log_softmax(logits.astype(jnp.float32))


def _spread(state, num_beams):
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_beams, *leaf.shape)), state)


def _picked(tree, parents):
    return jax.tree.map(lambda leaf: leaf[parents], tree)


def _add(sums, shares):
    return sums[:, None] + shares


def _best(candidates, num_beams):
    sums, chosen = jax.lax.top_k(candidates.ravel(), num_beams)
    return sums, *jnp.divmod(chosen, candidates.shape[-1])


def _put(tokens, parents, place, following):
    return tokens[parents].at[:, place].set(following)


def _search(
    step,
    state,
    prompt,
    num_tokens,
    num_beams,
    *,
    feed=_feed,
    shares=_shares,
    spread=_spread,
    add=_add,
    best=_best,
    kept=lambda before, after, parents, following: _picked(after, parents),
    put=_put,
    summed=lambda sums, before, parents, shares, following: sums,
    begin=None,
    scan=jax.lax.scan,
):
    """`kept` chooses the beams' states from those before and after the step, `summed` their sums, and `begin` says how
    the first tokens are found."""
    state, logits = feed(step, state, prompt)
    sums, first = jax.lax.top_k(shares(logits), num_beams) if begin is None else begin(shares(logits))
    tokens = jnp.zeros((num_beams, num_tokens), jnp.int32).at[:, 0].set(first)

    def one(carry, place):
        before, tokens, sums = carry
        after, logits = jax.vmap(step)(before, tokens[:, place - 1])
        told = shares(logits)
        following_sums, parents, following = best(add(sums, told), num_beams)
        following_sums = summed(following_sums, sums, parents, told, following)
        return (kept(before, after, parents, following), put(tokens, parents, place, following), following_sums), None

    (_, tokens, sums), _ = scan(one, (spread(state, num_beams), tokens, sums), jnp.arange(1, num_tokens))
    return tokens, sums


def _alike(shares, num_beams):
    """The first tokens of beams that all begin with nothing, and so find the same."""
    candidates = jnp.broadcast_to(shares, (num_beams, len(shares)))
    sums, _, first = _best(candidates, num_beams)
    return sums, first


# --- beam_search: the prompt and the first token


@mistake("beam_search")
def last_prompt_token_fed_twice(ref, step, state, prompt, num_tokens, num_beams):
    """The last token of the prompt is fed in twice: once with the prompt, and once more as the first token of the loop
    that searches. The logits that came with it are those that the beams begin with."""
    return ref(step, state, jnp.append(prompt, prompt[-1]), num_tokens, num_beams)


@mistake("beam_search")
def state_before_the_prompt(ref, step, state, prompt, num_tokens, num_beams):
    """The beams begin with the logits of the prompt and with the state that stood before it. Copy the state that came
    back with the logits."""
    return _search(
        step,
        state,
        prompt,
        num_tokens,
        num_beams,
        feed=lambda step, state, prompt: (state, _feed(step, state, prompt)[1]),
    )


@mistake("beam_search")
def all_beams_begin_alike(ref, step, state, prompt, num_tokens, num_beams):
    """All beams begin alike, with a sum of 0, so that each finds the same best token, and the same beam is there
    several times. Before the first token there is one beam: take its num_beams best tokens, or give all others a sum of
    -inf."""
    return _search(step, state, prompt, num_tokens, num_beams, begin=lambda shares: _alike(shares, num_beams))


@mistake("beam_search")
def all_beams_begin_with_the_best_token(ref, step, state, prompt, num_tokens, num_beams):
    """The first token is the likeliest one in every beam, and the search begins with the second. A text that begins
    with another token is then never found: the first token is searched for like any other."""
    if num_tokens == 1:
        tokens, sums = ref(step, state, prompt, 1, num_beams)
        return jnp.broadcast_to(tokens[:1], tokens.shape), jnp.broadcast_to(sums[:1], sums.shape)
    state, logits = _feed(step, state, prompt)
    first = jnp.argmax(logits).astype(jnp.int32)
    tokens, sums = ref(step, state, first[None], num_tokens - 1, num_beams)
    return jnp.pad(tokens, ((0, 0), (1, 0)), constant_values=first), sums + _shares(logits)[first]


@mistake("beam_search")
def beams_begin_with_the_last_token_of_the_prompt(ref, step, state, prompt, num_tokens, num_beams):
    """Each beam begins with the last token of the prompt, and its last new token is missing. Only new tokens come out,
    num_tokens of them in each beam."""
    tokens, sums = ref(step, state, prompt, num_tokens, num_beams)
    return jnp.pad(tokens[:, :-1], ((0, 0), (1, 0)), constant_values=prompt[-1]), sums


# --- beam_search: what belongs to a beam


@mistake("beam_search")
def states_stay_where_they_were(ref, step, state, prompt, num_tokens, num_beams):
    """The states stay where they were while the beams change places: a beam goes on with the memory of another. What is
    chosen says for each new beam which old one it continues; pick that one's row of every leaf of the state."""
    return _search(step, state, prompt, num_tokens, num_beams, kept=lambda before, after, parents, following: after)


@mistake("beam_search")
def states_picked_by_token(ref, step, state, prompt, num_tokens, num_beams):
    """The states are picked by the new token, and not by the beam that it continues. The index of a candidate among
    num_beams * V divided by V is the beam, and what remains is the token."""
    return _search(
        step,
        state,
        prompt,
        num_tokens,
        num_beams,
        kept=lambda before, after, parents, following: _picked(after, following),
    )


@mistake("beam_search")
def states_of_before_the_step(ref, step, state, prompt, num_tokens, num_beams):
    """The states that are picked are those from before the step, so that what the step has just learned is lost. Pick
    from the states that it returned."""
    return _search(
        step,
        state,
        prompt,
        num_tokens,
        num_beams,
        kept=lambda before, after, parents, following: _picked(before, parents),
    )


@mistake("beam_search")
def tokens_stay_where_they_were(ref, step, state, prompt, num_tokens, num_beams):
    """The tokens written so far stay where they were while the beams change places, so that texts are mixed up: their
    sums are right, and belong to texts that are not there. Pick the parents' rows of the tokens, then write the new
    one."""
    return _search(
        step,
        state,
        prompt,
        num_tokens,
        num_beams,
        put=lambda tokens, parents, place, following: tokens.at[:, place].set(following),
    )


@mistake("beam_search")
def new_tokens_written_before_the_rows_are_picked(ref, step, state, prompt, num_tokens, num_beams):
    """The new tokens are written first and the rows picked afterwards, so that the new tokens change places as well,
    which they must not: they are in the new order already. Pick the parents' rows, then write."""
    return _search(
        step,
        state,
        prompt,
        num_tokens,
        num_beams,
        put=lambda tokens, parents, place, following: tokens.at[:, place].set(following)[parents],
    )


@mistake("beam_search")
def sums_of_the_beam_in_that_place(ref, step, state, prompt, num_tokens, num_beams):
    """A new beam's sum is that of the beam that stood in its place, and not that of the beam that it continues, plus
    the new token's log-probability. What `top_k` returns is the whole sum already."""
    return _search(
        step,
        state,
        prompt,
        num_tokens,
        num_beams,
        summed=lambda sums, before, parents, shares, following: before + shares[parents, following],
    )


@mistake("beam_search")
def leaves_with_num_beams_rows_not_copied(ref, step, state, prompt, num_tokens, num_beams):
    """An array of the state that happens to have num_beams rows is taken for one that was copied for the beams already.
    Shapes do not tell: copy every leaf, once, before the loop."""

    def spread(state, num_beams):
        return jax.tree.map(
            lambda leaf: (
                leaf if leaf.ndim and len(leaf) == num_beams else jnp.broadcast_to(leaf, (num_beams, *leaf.shape))
            ),
            state,
        )

    return _search(step, state, prompt, num_tokens, num_beams, spread=spread)


# --- beam_search: the choice


@mistake("beam_search")
def each_beam_on_its_own(ref, step, state, prompt, num_tokens, num_beams):
    """Each beam goes on by its own best token, and beams never compete: that is num_beams greedy texts with different
    first tokens. Choose the num_beams best among all num_beams * V candidates; one beam may be continued twice and
    another not at all."""

    def best(candidates, num_beams):
        return candidates.max(-1), jnp.arange(num_beams), jnp.argmax(candidates, axis=-1).astype(jnp.int32)

    tokens, sums = _search(step, state, prompt, num_tokens, num_beams, best=best)
    order = jnp.argsort(-sums)
    return tokens[order], sums[order]


@mistake("beam_search")
def index_divided_by_num_beams(ref, step, state, prompt, num_tokens, num_beams):
    """The index of a candidate is divided by num_beams. The candidates are num_beams rows of V, so the row, which is
    the beam, is the index divided by V, and the token is what remains."""

    def best(candidates, num_beams):
        sums, chosen = jax.lax.top_k(candidates.ravel(), num_beams)
        return sums, *jnp.divmod(chosen, num_beams)

    return _search(step, state, prompt, num_tokens, num_beams, best=best)


@mistake("beam_search")
def worst_beam_first(ref, step, state, prompt, num_tokens, num_beams):
    """The beams stand in rising order of their sums, as `argsort` gives it. The best comes first."""
    tokens, sums = ref(step, state, prompt, num_tokens, num_beams)
    return tokens[::-1], sums[::-1]


@mistake("beam_search")
def sums_before_tokens(ref, step, state, prompt, num_tokens, num_beams):
    """The sums come first and the tokens second. The tokens are asked for first."""
    return ref(step, state, prompt, num_tokens, num_beams)[::-1]


# --- beam_search: the sums


@mistake("beam_search")
def logits_summed(ref, step, state, prompt, num_tokens, num_beams):
    """The logits themselves are summed. They are log-probabilities but for a constant, and the constant is another one
    in each beam: subtract it before beams are compared, with `jax.nn.log_softmax`."""
    return _search(step, state, prompt, num_tokens, num_beams, shares=lambda logits: logits.astype(jnp.float32))


@mistake("beam_search")
def probabilities_summed(ref, step, state, prompt, num_tokens, num_beams):
    """Probabilities are summed. The probability of a text is the product of its tokens' probabilities, so that it is
    their logarithms that add up: `jax.nn.log_softmax`."""
    return _search(
        step,
        state,
        prompt,
        num_tokens,
        num_beams,
        shares=lambda logits: jax.nn.softmax(logits.astype(jnp.float32)),
    )


@mistake("beam_search")
def probabilities_returned(ref, step, state, prompt, num_tokens, num_beams):
    """The beams' probabilities are returned. The sums of log-probabilities are asked for: a text of a few hundred
    tokens has a probability that float32 rounds to 0."""
    tokens, sums = ref(step, state, prompt, num_tokens, num_beams)
    return tokens, jnp.exp(sums)


@mistake("beam_search")
def only_the_last_token_counts(ref, step, state, prompt, num_tokens, num_beams):
    """The candidates are compared by the log-probability of the new token alone: the sum of the beam that each one
    continues is not added. Add it before the best are chosen."""
    return _search(step, state, prompt, num_tokens, num_beams, add=lambda sums, shares: shares)


@mistake("beam_search")
def sums_divided_by_the_length(ref, step, state, prompt, num_tokens, num_beams):
    """The sums are divided by the number of tokens. Systems whose texts end at different lengths compare them so; here
    all are of one length, and the sums themselves are asked for."""
    tokens, sums = ref(step, state, prompt, num_tokens, num_beams)
    return tokens, sums / num_tokens


@mistake("beam_search")
def prompt_counted_in_the_sums(ref, step, state, prompt, num_tokens, num_beams):
    """The log-probabilities of the prompt's own tokens are in the sums. They are the same for every beam, and are not
    asked for: the sums begin with the first new token."""
    _, logits = jax.lax.scan(step, state, prompt)
    tokens, sums = ref(step, state, prompt, num_tokens, num_beams)
    return tokens, sums + jnp.take_along_axis(_shares(logits[:-1]), prompt[1:, None], axis=-1).sum()


@mistake("beam_search", of=("all tokens but the first",))
def logarithm_of_a_softmax(ref, step, state, prompt, num_tokens, num_beams, *, of="all tokens"):
    """The softmax is computed first, and its logarithm afterwards. A probability below 1e-38 is rounded to 0 in
    between, and its logarithm is -inf, with a gradient that is NaN. `jax.nn.log_softmax` never leaves the
    logarithms."""

    def shares(logits):
        if of == "all tokens" or logits.ndim == 2:
            return jnp.log(jax.nn.softmax(logits.astype(jnp.float32)))
        return _shares(logits)

    return _search(step, state, prompt, num_tokens, num_beams, shares=shares)


@mistake("beam_search")
def exponentials_without_the_largest_taken_off(ref, step, state, prompt, num_tokens, num_beams):
    """The logarithm of the sum of exponentials is taken of the logits as they are: logits in the hundreds overflow to
    infinity, or all become 0. Take off the largest first, as `jax.nn.log_softmax` does."""
    return _search(
        step,
        state,
        prompt,
        num_tokens,
        num_beams,
        shares=lambda logits: (
            logits.astype(jnp.float32) - jnp.log(jnp.exp(logits.astype(jnp.float32)).sum(-1, keepdims=True))
        ),
    )


@mistake("beam_search")
def log_probabilities_in_half_precision(ref, step, state, prompt, num_tokens, num_beams):
    """The log-probabilities are computed in the half precision of the logits. Each is then off in its third digit, and
    the sum by all of that. Cast the logits to float32 first."""
    return _search(
        step, state, prompt, num_tokens, num_beams, shares=lambda logits: jax.nn.log_softmax(logits).astype(jnp.float32)
    )


@mistake("beam_search")
def summed_in_half_precision(ref, step, state, prompt, num_tokens, num_beams):
    """The running sums have the half precision of the logits. As they grow, what is added is rounded to ever coarser
    steps. Keep the sums in float32."""

    def add(sums, shares):
        return (sums[:, None] + shares).astype(half).astype(jnp.float32)

    half = jax.eval_shape(step, state, prompt[0])[1].dtype
    return _search(step, state, prompt, num_tokens, num_beams, add=add)


# --- beam_search: the program


@mistake("beam_search")
def a_loop_without_a_gradient(ref, step, state, prompt, num_tokens, num_beams):
    """The loop is a `while_loop`, or a `fori_loop` whose bounds are arrays: its number of turns is not in the program,
    and JAX cannot go through it backwards. The sums have a gradient; `jax.lax.scan` has one, and so has a `fori_loop`
    whose bounds are Python numbers."""

    def scan(body, carry, places):
        def turn(at):
            place, carry = at
            return place + 1, body(carry, place)[0]

        return jax.lax.while_loop(lambda at: at[0] < num_tokens, turn, (1, carry))[1], None

    return _search(step, state, prompt, num_tokens, num_beams, scan=scan)


@mistake("beam_search")
def prompt_fed_in_by_a_python_loop(ref, step, state, prompt, num_tokens, num_beams):
    """A Python loop feeds in the prompt. It is unrolled when it is traced: the program holds the step once for each
    token of the prompt. Loop with `jax.lax.scan`."""

    def feed(step, state, prompt):
        for token in prompt:
            state, logits = step(state, token)
        return state, logits

    return _search(step, state, prompt, num_tokens, num_beams, feed=feed)


@mistake("beam_search")
def searched_by_a_python_loop(ref, step, state, prompt, num_tokens, num_beams):
    """A Python loop searches, one turn a token. It is unrolled when it is traced: the program holds the step once for
    each new token. Loop with `jax.lax.scan` over the places; all beams' tokens, states and sums are the carry."""

    def scan(body, carry, places):
        for place in range(1, num_tokens):
            carry, _ = body(carry, place)
        return carry, None

    return _search(step, state, prompt, num_tokens, num_beams, scan=scan)

"""Synthesises the sample audio: sixteen seconds of plucked strings.

The tune is committed, so that nobody needs ffmpeg; with it, this makes the tune again::

    python -m development.sample_media.audio tune.mp3
"""

import struct
import subprocess
import sys
from pathlib import Path
from random import Random

RATE = 44_100
SECONDS = 16
DURATION_MS = SECONDS * 1000

ENCODE = (
    *("ffmpeg", "-y", "-f", "s16le", "-ar", str(RATE), "-ac", "1", "-i", "-"),
    *("-c:a", "libmp3lame", "-b:a", "128k", "-map_metadata", "-1", "-fflags", "+bitexact"),
)

_BEAT_S = 0.375
_LOUDEST = 0.8

# Semitones above the D below middle C: the melody, one note a beat (None lets the last one ring on), and the basses.
_MELODY = (
    *(12, 16, 19, 21, 19, None, 16, 14, 12, 14, 16, 19, 16, None, 14, None),
    *(12, 16, 19, 24, 23, None, 19, 21, 19, 16, 14, 11, 12, None, None, None),
)
_BASSES = (0, 7, 4, 7, 5, 0, -3, 7, 0, 7, 4, -1, 5, 7, 0, 0)


def sound() -> bytes:
    """Returns the tune as signed 16-bit little-endian samples."""
    air = [0.0] * (RATE * SECONDS)
    rng = Random("tune")
    for beat, step in enumerate(_MELODY):
        if step is not None:
            _add(air, beat, _pluck(rng, _frequency(step), 2.6), 0.5)
    for bar, step in enumerate(_BASSES):
        _add(air, bar * 2, _pluck(rng, _frequency(step - 12), 3.0), 0.42)
        _add(air, bar * 2 + 1, _pluck(rng, _frequency(step + 7), 1.6), 0.2)
    _add_echo(air)
    _fade_out(air)
    loudest = max(map(abs, air))
    return struct.pack(f"<{len(air)}h", *(round(value / loudest * _LOUDEST * 32_767) for value in air))


def encode(path: Path) -> None:
    """Encodes the tune with ffmpeg."""
    subprocess.run([*ENCODE, str(path)], input=sound(), check=True)


def _frequency(step: int) -> float:
    return float(146.83 * 2 ** (step / 12))


def _pluck(rng: Random, frequency: float, seconds: float) -> list[float]:
    """Synthesises a plucked string (Karplus-Strong: noise in a delay line with a low-pass filter)."""
    length = round(RATE / frequency - 0.5)
    string = [rng.uniform(-1, 1) for _ in range(length)]
    # A finger excites fewer high frequencies than white noise: low-pass the initial noise.
    for _ in range(3):
        string = [(string[i - 1] + string[i]) / 2 for i in range(length)]
    keeps = 0.998 if frequency < 200 else 0.996
    sound = []
    for turn in range(round(RATE * seconds)):
        here = turn % length
        sound.append(string[here])
        string[here] = keeps * (string[here] + string[(here + 1) % length]) / 2
    end = RATE // 20
    for index in range(1, end + 1):
        sound[-index] *= index / end
    return sound


def _add(sound: list[float], beat: int, note: list[float], loudness: float) -> None:
    start = round(beat * _BEAT_S * RATE)
    for index, value in enumerate(note[: len(sound) - start]):
        sound[start + index] += value * loudness


def _add_echo(sound: list[float]) -> None:
    """Adds reverberation: faint echoes whose delays share no common multiple."""
    for delay_ms, loudness in ((37, 0.22), (61, 0.17), (113, 0.12), (191, 0.08)):
        delay = RATE * delay_ms // 1000
        for index in range(len(sound) - 1, delay - 1, -1):
            sound[index] += sound[index - delay] * loudness


def _fade_out(sound: list[float]) -> None:
    length = RATE * 3
    for index in range(length):
        sound[-1 - index] *= index / length


if __name__ == "__main__":
    encode(Path(sys.argv[1]))

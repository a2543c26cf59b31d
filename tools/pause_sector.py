"""A guest that measures how long it is held: it reads its own disk over and over, and whenever a millisecond
or more passed since the reading before, prints the time that passed, in ticks of the ACPI timer, as a line of
8 hexadecimal digits on the serial port.

    start:  ax = ds = es = ss = 0; sp = 0x7000
    again:  last = in32(0x608)                          the ACPI timer: 24 bits, 3.579545 MHz, never held
    next:   int 0x13, read sector 1 of disk 0x80 to 0x8000
            now = in32(0x608); passed = (now - last) & 0xffffff; last = now
            if passed < 3580: goto next
            print 8 digits of passed, and a line feed, to 0x3f8; goto again
"""

TICKS_PER_SECOND = 3_579_545

PAUSE_SECTOR = (
    bytes.fromhex(
        "31c08ed88ec08ed0bc0070"  # start
        "ba080666ed66a3007e"  # again
        "b80102b90100ba8000bb0080cd13"  # next
        "ba080666ed6689c1662b06007e6625ffffff0066890e007e"
        "663dfc0d000072d2"
        "6689c6b108"  # print
        "66c1c60489f0240f04303c3976020427baf803eefec975e8"
        "b00aeeeba7"
    ).ljust(510, b"\0")
    + b"\x55\xaa"
)


def gaps_seconds(console: bytes) -> list[float]:
    """The waits that the guest printed, in seconds; a line still being printed is left out."""
    complete = console.split(b"\n")[:-1]
    return [int(line, 16) / TICKS_PER_SECOND for line in complete if len(line) == 8]

"""The changes that make a clean image, as a list for the files of a Linux system."""

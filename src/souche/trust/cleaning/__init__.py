"""What a clean image is made without, as a list of changes to the files of a Linux system."""

"""What whoever runs rounds shares, a coordinator or a peer whose turn it is: the members' streams, and one round."""

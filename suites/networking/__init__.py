"""Suite networking: containers' networks as rkt makes them, by CNI plugins, judged by packets and sockets."""
